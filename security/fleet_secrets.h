// What makes a fleet one: its authority, its coordinator's certificate, its
// join token; and the folder in which they lie.

#ifndef SHOAL_SECURITY_FLEET_SECRETS_H_
#define SHOAL_SECURITY_FLEET_SECRETS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "security/certificate.h"
#include "security/join_token.h"

namespace shoal::security {

// Only the coordinator has them. Memory of it is not wiped.
struct FleetSecrets {
  KeyAndCertificate authority;  // named after the fleet
  KeyAndCertificate server;     // the coordinator's, of that authority
  JoinToken token;
};

// New ones that lie nowhere. Errors: kInvalidArgument  the name, as
// MakeAuthority()
absl::StatusOr<FleetSecrets> MakeFleetSecrets(absl::string_view fleet_name);

// The files of a folder of secrets (mode 0700).
struct FleetSecretFiles {
  std::string authority_key;          // authority.key, mode 0600
  std::string authority_certificate;  // authority.pem
  std::string server_key;             // server.key, mode 0600
  std::string server_certificate;     // server.pem
  std::string token;                  // token, mode 0600: one line
};
FleetSecretFiles FilesIn(const std::string& folder);

// Makes the folder where missing, and new secrets in it.
// Errors: kAlreadyExists     there are some; they are left as they are
//         kInvalidArgument   the name
//         as WriteSecretFile()
absl::StatusOr<FleetSecrets> CreateFleetSecrets(const std::string& folder,
                                                absl::string_view fleet_name);

// Reads and checks them: that they are whole, belong together and are valid
// now. No message repeats a secret.
// Errors: kNotFound            no folder, or a file is missing: names it
//         kPermissionDenied    others may read a secret; or a certificate is of
//                              another authority
//         kInvalidArgument     a file is damaged, or a key is of another
//         kFailedPrecondition  not yet or no longer valid
absl::StatusOr<FleetSecrets> LoadFleetSecrets(const std::string& folder);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_FLEET_SECRETS_H_

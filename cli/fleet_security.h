// Which secrets a coordinator runs with, and what of a command line is secret.

#ifndef SHOAL_CLI_FLEET_SECURITY_H_
#define SHOAL_CLI_FLEET_SECURITY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/session.h"
#include "security/fleet_secrets.h"

namespace shoal::cli {

struct FleetSecurity {
  std::shared_ptr<const security::FleetSecrets> secrets;  // null: no TLS
  std::string folder;                                     // where they lie
};

// Of `options.secrets`, or, for a listener beyond this machine without
// --insecure, of the folder that this user's coordinators share:
// $XDG_CONFIG_HOME/shoal/fleet, else $HOME/.config/shoal/fleet, which is made
// where it is missing.
// Errors: kInvalidArgument  both --insecure and --secrets, or a token that is
//                           none of a fleet with certificates
//         as LoadFleetSecrets() and CreateFleetSecrets()
absl::StatusOr<FleetSecurity> FleetSecurityOf(const SessionOptions& options);

// The words of a command line. What follows "#" in a join token's address is
// overwritten in `argv` itself, where ps and /proc show it.
std::vector<std::string> TakeArguments(int argc, char** argv);

// `text` with every join token in it cut after its first letters.
std::string WithoutTokens(absl::string_view text);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLEET_SECURITY_H_

// Certificates as OpenSSL's objects: for the other files of this folder.

#ifndef SHOAL_SECURITY_X509_H_
#define SHOAL_SECURITY_X509_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "security/certificate.h"
#include "security/openssl_types.h"

namespace shoal::security {

// Errors: kInvalidArgument  not PEM of that kind
absl::StatusOr<CertificatePtr> ReadCertificate(absl::string_view pem);
absl::StatusOr<KeyPtr> ReadKey(absl::string_view pem);

absl::StatusOr<std::string> ToPem(X509& certificate);
absl::StatusOr<std::string> ToPem(EVP_PKEY& private_key);

Fingerprint FingerprintOf(const X509& certificate);

// Whether `certificate` is valid now and issued by `authority` for `purpose`
// (X509_PURPOSE_SSL_SERVER or _CLIENT). `whose` begins the messages: "the
// certificate of the coordinator at ...".
// Errors: kFailedPrecondition  not yet or no longer valid; names the times
//         kPermissionDenied    of another authority or for another purpose
absl::Status VerifyCertificate(X509& certificate, X509& authority, int purpose,
                               absl::string_view whose);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_X509_H_

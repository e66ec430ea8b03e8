// A fleet's own certificate authority, and the certificates that it issues.

#ifndef SHOAL_SECURITY_CERTIFICATE_H_
#define SHOAL_SECURITY_CERTIFICATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shoal::security {

// Texts are PEM. Keys are elliptic, on the curve P-256.
struct KeyAndCertificate {
  std::string key_pem;  // secret
  std::string certificate_pem;
};

// A certificate that is not valid yet on a device whose clock is behind helps
// nobody, so it begins a day ago; boards without a clock of their own are worse
// than that and are told so.
struct Validity {
  absl::Time from = absl::Now() - absl::Hours(24);
  absl::Time until = absl::Now() + absl::Hours(24) * 365 * 20;
};

// What every coordinator's certificate is for, whatever its addresses are:
// those change, and the authority is one's own.
inline constexpr char kCoordinatorHostName[] = "coordinator.shoal.internal";

// Of a device or fleet in a certificate.
inline constexpr size_t kCertificateNameBytesMax = 64;

// Signs itself; may issue certificates, but no further authorities.
// Errors: kInvalidArgument  name: empty, longer than
//                           kCertificateNameBytesMax, or with control
//                           characters
absl::StatusOr<KeyAndCertificate> MakeAuthority(
    absl::string_view name, const Validity& validity = Validity());

// For a coordinator: kCoordinatorHostName, for servers only.
// Errors: kInvalidArgument  `authority` is none
absl::StatusOr<KeyAndCertificate> IssueServerCertificate(
    const KeyAndCertificate& authority, const Validity& validity = Validity());

// What a device asks for a certificate with: its key, which never leaves it,
// and a request signed by that.
struct KeyAndRequest {
  std::string key_pem;  // secret
  std::string request_pem;
};
absl::StatusOr<KeyAndRequest> MakeCertificateRequest();

// A certificate, PEM, for the key of `request_pem` and for `device_name`; for
// clients only. The names in the request are ignored.
// Errors: kInvalidArgument  the request is malformed, not signed by its key, or
//                           its key is not on P-256; or the name is not allowed
absl::StatusOr<std::string> IssueClientCertificate(
    const KeyAndCertificate& authority, absl::string_view request_pem,
    absl::string_view device_name, const Validity& validity = Validity());

// SHA-256 of the certificate. Errors: kInvalidArgument  it is none
using Fingerprint = std::array<uint8_t, 32>;
absl::StatusOr<Fingerprint> FingerprintOf(absl::string_view certificate_pem);

// For whom it is. Errors: kInvalidArgument  it is no certificate or has no name
absl::StatusOr<std::string> NameIn(absl::string_view certificate_pem);

// Whether `own` is usable now and of this authority, and its key fits.
// Errors: kInvalidArgument     no key or certificate, or they do not belong
//                              together
//         kFailedPrecondition  not yet or no longer valid; names the times
//         kPermissionDenied    of another authority
absl::Status CheckIssued(const KeyAndCertificate& own,
                         absl::string_view authority_certificate_pem);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_CERTIFICATE_H_

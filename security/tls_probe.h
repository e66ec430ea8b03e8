// Looks at who answers at an address, before anything is said to it.

#ifndef SHOAL_SECURITY_TLS_PROBE_H_
#define SHOAL_SECURITY_TLS_PROBE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "security/certificate.h"

namespace shoal::security {

// Who answered. It has the key of a certificate that the authority issued for a
// coordinator, valid now; whether the authority is the right one is for the
// caller to say, by its fingerprint.
struct CoordinatorIdentity {
  std::string authority_certificate_pem;
  Fingerprint authority = {};
};

// Dials `address` (HOST:PORT), shakes hands by TLS and hangs up. Nothing of
// ours is shown. `is_stopped` is looked at several times a second; may be null.
// Errors; messages name the address:
//   kUnavailable         nobody answers there, or it hung up
//   kDeadlineExceeded    it answers too slowly
//   kFailedPrecondition  its certificate is not yet or no longer valid
//   kUnimplemented       it speaks no TLS
//   kPermissionDenied    its certificate is not one of a Shoal coordinator
//   kCancelled           is_stopped()
absl::StatusOr<CoordinatorIdentity> ProbeCoordinator(
    const std::string& address, absl::Time deadline,
    const std::function<bool()>& is_stopped = {});

// Whether whoever answers at `address` begins a TLS handshake, whatever its
// certificate. False also where nobody answers.
bool SpeaksTls(const std::string& address, absl::Time deadline);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_TLS_PROBE_H_

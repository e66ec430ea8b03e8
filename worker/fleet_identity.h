// A worker's certificate in a fleet: found on its disk, or got by a join token.

#ifndef SHOAL_WORKER_FLEET_IDENTITY_H_
#define SHOAL_WORKER_FLEET_IDENTITY_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/fleet_protocol.h"
#include "security/join_token.h"
#include "security/rpc_credentials.h"

namespace shoal::worker {

struct FleetIdentityOptions {
  std::string coordinator_address;  // HOST:PORT
  std::string device_name;
  std::string program_version;
  uint32_t protocol_version = proto::kFleetProtocolVersion;
  // Where certificates are kept, one folder for each fleet (mode 0700).
  std::string directory;
  std::optional<security::JoinToken> token;
};

// Makes sure who answers at the address before anything is shown to it: it must
// be of the authority for which the token is, or, without a token, of one that
// has given this device a certificate before. Then the token's secret buys a
// certificate for a key that is made here, unless a valid one is there.
//
// Blocks until `deadline`. `is_stopped` is looked at now and then.
// Errors; messages name the address:
//   kPermissionDenied    it is another fleet's, or the fleet's token is
//   another,
//                        or there is neither token nor certificate
//   kFailedPrecondition  a certificate is not yet or no longer valid (a clock
//   is
//                        wrong); another protocol version
//   kUnimplemented       it speaks no TLS
//   kUnavailable, kDeadlineExceeded, kCancelled  as ProbeCoordinator()
//   others               the folder cannot be read or written
absl::StatusOr<security::CoordinatorTrust> EstablishTrust(
    const FleetIdentityOptions& options, absl::Time deadline,
    const std::function<bool()>& is_stopped);

// Whether any fleet has given this device a certificate.
bool HasIdentity(const std::string& directory);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_FLEET_IDENTITY_H_

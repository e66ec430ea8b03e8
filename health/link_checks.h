// Whether two devices reach each other well: measurements in, findings out.

#ifndef SHOAL_HEALTH_LINK_CHECKS_H_
#define SHOAL_HEALTH_LINK_CHECKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "health/finding.h"

namespace shoal::health {

// How a device fared that dialled another.
struct Reach {
  std::string from;
  std::string to;
  std::string endpoint;  // that was dialled
  // OK; kUnavailable  somebody answered, but no; kDeadlineExceeded  nobody did
  absl::Status status;
  std::vector<absl::Duration> round_trips;  // none if the status is not OK
};

// "ports": whether it came through.
Finding CheckReach(const Reach& reach);
// "round trip": how long it takes, and how evenly. REQUIRES: round trips.
Finding CheckRoundTrip(const Reach& reach);

struct Version {
  std::string program;
  uint32_t protocol = 0;
};
// "version": `name`'s against that of the coordinator.
Finding CheckVersion(const std::string& name, const Version& own,
                     const Version& coordinator);

// "clock": by how much that of a device is ahead of the coordinator's, to
// within `error`.
Finding CheckClock(absl::Duration ahead, absl::Duration error);

}  // namespace shoal::health

#endif  // SHOAL_HEALTH_LINK_CHECKS_H_

// Finds what is wrong with the devices of a fleet and the links between them,
// and collects what they have logged.

#ifndef SHOAL_COORDINATOR_FLEET_EXAMINER_H_
#define SHOAL_COORDINATOR_FLEET_EXAMINER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "coordinator/membership.h"
#include "health/finding.h"
#include "health/link_checks.h"
#include "transport/reach_probe.h"

namespace shoal::proto {
class ReadLogsReply;
class ReadLogsRequest;
class TryJoinReply;
class TryJoinRequest;
}  // namespace shoal::proto

namespace shoal::coordinator {

// The coordinator's own device.
struct OwnDevice {
  std::string name;
  std::string program_version;
  std::string host;  // where it listens; devices elsewhere dial it there
  // Checks it; takes up to a second. Null: nothing is checked.
  std::function<health::Findings()> examine;
};

struct DeviceFindings {
  std::string name;
  health::Findings findings;
};

// Threads: thread-safe; one examination at a time, others wait.
class FleetExaminer {
 public:
  // Data links open anew for every plan, so ports are tried as they are: a free
  // one at each end, for seconds.
  static constexpr absl::Duration kDoorTime = absl::Seconds(8);

  // `membership` is borrowed.
  FleetExaminer(Membership& membership, OwnDevice own)
      : membership_(membership), own_(std::move(own)) {}

  const std::string& program_version() const { return own_.program_version; }

  // Of one device, or of all where it is empty, the coordinator's first. A link
  // between two workers is told with the one that dials.
  // Errors: kNotFound  there is no such device
  absl::StatusOr<std::vector<DeviceFindings>> Examine(
      const std::string& device);

  // Errors: kNotFound  there is no such device
  absl::Status ReadLogs(const proto::ReadLogsRequest& request,
                        proto::ReadLogsReply& reply);

  // For a device that has not joined, at `peer_host`. The token was right.
  void TryJoin(const proto::TryJoinRequest& request,
               const std::string& peer_host, proto::TryJoinReply& reply);

 private:
  using Worker = std::shared_ptr<RemoteWorker>;
  absl::StatusOr<std::vector<Worker>> Chosen(const std::string& device) const;
  DeviceFindings ExamineOwn() const;
  DeviceFindings ExamineWorker(RemoteWorker& worker,
                               const std::vector<Worker>& others) const;
  void CheckLinks(RemoteWorker& worker, health::Findings& findings) const;
  void CheckLink(RemoteWorker& from, RemoteWorker& to,
                 health::Findings& findings) const;
  health::Reach DialFrom(RemoteWorker& from, const std::string& to,
                         const std::string& endpoint) const;

  Membership& membership_;
  const OwnDevice own_;
  base::Mutex turn_;
  base::Mutex door_mutex_;
  // For who tries to join: the last one, until the next or its time.
  std::unique_ptr<transport::ReachDoor> door_ ABSL_GUARDED_BY(door_mutex_);
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_EXAMINER_H_

// Follows a coordinator for the pages of `shoal dashboard`.

#ifndef SHOAL_CLI_FLEET_FOLLOWER_H_
#define SHOAL_CLI_FLEET_FOLLOWER_H_

#include <atomic>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "cli/coordinator_client.h"
#include "dashboard/live_feed.h"

namespace shoal::cli {

// Watches it, over and over: one that ended or cannot be reached is asked again
// after `retry`. What it says goes to the feed as JSON, in the form that
// protobuf gives messages, with the names of the .proto file and all fields
// but those that are optional and absent.
//
// Threads: owns one, which the destructor ends.
class FleetFollower {
 public:
  // `feed` is borrowed.
  FleetFollower(const ClientTarget& target, double rate, absl::Duration retry,
                dashboard::LiveFeed& feed);
  ~FleetFollower();
  FleetFollower(const FleetFollower&) = delete;
  FleetFollower& operator=(const FleetFollower&) = delete;

 private:
  void Run();
  absl::Status WatchOnce();
  absl::Status Show(const proto::WatchUpdate& update, bool is_first);

  const ClientTarget target_;
  const double rate_;
  const absl::Duration retry_;
  dashboard::LiveFeed& feed_;
  std::atomic<bool> ends_ = false;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::thread thread_;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLEET_FOLLOWER_H_

// Whether one device can dial another, and how long messages take.

#ifndef SHOAL_TRANSPORT_REACH_PROBE_H_
#define SHOAL_TRANSPORT_REACH_PROBE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/tcp_socket.h"
#include "transport/wake_event.h"

namespace shoal::transport {

// A port that sends back what it gets, for a while. Whoever dials it learns
// nothing but its own bytes.
//
// Limits:  kGuestsMax connections at a time; further ones wait.
// Threads: thread-compatible; owns one thread, which ends with the door or at
//          its time.
class ReachDoor {
 public:
  static constexpr size_t kGuestsMax = 8;

  // At a free port of `address`, as ListenTcp(). Errors: as ListenTcp()
  static absl::StatusOr<std::unique_ptr<ReachDoor>> Open(
      const std::string& address, absl::Duration open_time);
  ~ReachDoor();
  ReachDoor(const ReachDoor&) = delete;
  ReachDoor& operator=(const ReachDoor&) = delete;

  std::string endpoint() const { return EndpointOf(listener_.get()); }
  uint32_t port() const;
  // Its time is over.
  bool ended() const { return ended_; }

 private:
  ReachDoor(UniqueFd listener, std::shared_ptr<WakeEvent> wake,
            absl::Duration open_time);
  void Serve(absl::Time end);

  const UniqueFd listener_;
  const std::shared_ptr<WakeEvent> wake_;  // set: end
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

// Only connects, to "tcp://HOST:PORT", and hangs up.
// Errors: kInvalidArgument   no endpoint
//         kUnavailable       refused, no route, or no such host
//         kDeadlineExceeded  no answer
absl::Status TryConnect(const std::string& endpoint, absl::Time deadline);

// Round trips of kReachBytes to a ReachDoor: `count`, or as many as there is
// time for but at least one.
// Errors: as TryConnect(); kUnavailable  it hung up
inline constexpr size_t kReachBytes = 2048;
absl::StatusOr<std::vector<absl::Duration>> MeasureReach(
    const std::string& endpoint, uint32_t count, absl::Time deadline);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_REACH_PROBE_H_

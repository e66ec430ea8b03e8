// An event that wakes calls that wait for sockets.

#ifndef SHOAL_TRANSPORT_WAKE_EVENT_H_
#define SHOAL_TRANSPORT_WAKE_EVENT_H_

#include <memory>

#include "absl/status/statusor.h"

namespace shoal::transport {

// Set once, it stays set: every poll of `fd` from any thread then ends.
class WakeEvent {
 public:
  // Errors: kResourceExhausted  too many files
  static absl::StatusOr<std::shared_ptr<WakeEvent>> Create();
  ~WakeEvent();
  WakeEvent(const WakeEvent&) = delete;
  WakeEvent& operator=(const WakeEvent&) = delete;

  void Set();
  int fd() const { return fd_; }

 private:
  explicit WakeEvent(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_WAKE_EVENT_H_

// The system calls of TCP sockets, with errors as statuses.

#ifndef SHOAL_TRANSPORT_TCP_SOCKET_H_
#define SHOAL_TRANSPORT_TCP_SOCKET_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "transport/link.h"

namespace shoal::transport {

// Closes the descriptor that it holds.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// kResourceExhausted for a lack of files or memory, kInvalidArgument for an
// address that is none, kUnavailable for the rest.
absl::Status SocketError(absl::string_view what, int error);

// A socket that listens at a free port of `address`: numeric, in brackets if
// it is IPv6, "*" for all, or the name of an interface. Not blocking.
// Errors: as SocketError()
absl::StatusOr<UniqueFd> ListenTcp(const std::string& address);

// "tcp://192.0.2.7:4711", of a socket that listens.
std::string EndpointOf(int fd);

// Connects to `endpoint`. Not blocking; SetUpTcp() was called.
// Errors: kInvalidArgument   no endpoint
//         kUnavailable       nobody listens there
//         kDeadlineExceeded  no answer
//         kCancelled         options.abort is set
absl::StatusOr<UniqueFd> DialTcp(const LinkOptions& options,
                                 const std::string& endpoint,
                                 absl::Time deadline);

// What a connection needs: small messages go at once, and it ends when the
// peer's machine is silent for options.silence_max while nothing is under way
// (SilenceWatch sees to the rest).
void SetUpTcp(int fd, const NetworkOptions& options);

// Tells a machine that no longer acknowledges what is sent from one whose
// program does not read for a while. TCP_USER_TIMEOUT ends both.
class SilenceWatch {
 public:
  explicit SilenceWatch(absl::Duration silence_max)
      : silence_max_(silence_max) {}

  // How often to call IsSilent() while waiting.
  static constexpr absl::Duration kInterval = absl::Seconds(1);

  // Whether what was sent on `fd` is unacknowledged for silence_max, give or
  // take kInterval.
  bool IsSilent(int fd);

 private:
  const absl::Duration silence_max_;
  absl::Time since_ = absl::InfiniteFuture();
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_TCP_SOCKET_H_

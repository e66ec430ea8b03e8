// The listening end of a TCP link, until the peer has come in.

#ifndef SHOAL_TRANSPORT_TCP_DOOR_H_
#define SHOAL_TRANSPORT_TCP_DOOR_H_

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/hello.h"
#include "transport/link.h"
#include "transport/sealed_frame.h"
#include "transport/tcp_socket.h"

namespace shoal::transport {

// Reads the first message of whoever dials in; at most kGuestsMax wait at once
// and each for kGuestTime, so that strangers that say nothing cost little and
// keep nobody out: the oldest has to go first.
//
// Threads:  one at a time; `abort` and `wake` are set from any.
class TcpDoor {
 public:
  static constexpr size_t kGuestsMax = 16;
  static constexpr absl::Duration kGuestTime = absl::Seconds(5);

  // Errors: as ListenTcp()
  static absl::StatusOr<std::unique_ptr<TcpDoor>> Open(
      const LinkOptions& options);

  std::string endpoint() const { return EndpointOf(listener_.get()); }

  // The first message of the next guest; the one before it is dismissed. The
  // view is valid until the next call.
  // Errors: kDeadlineExceeded; kCancelled  aborted;
  //         kResourceExhausted  too many files
  absl::StatusOr<std::span<std::byte>> Receive(absl::Time deadline);

  // Tells the guest of the last Receive(), if there is room for it.
  void Send(std::span<const std::byte> head, std::span<const std::byte> tail);

  // The connection of the guest of the last Receive().
  // REQUIRES: there is one.
  UniqueFd TakeGuest();

 private:
  struct Guest {
    UniqueFd fd;
    absl::Time until;
    size_t byte_count = 0;
    // For the alignment of what is read there.
    alignas(
        8) std::array<std::byte, kHelloFrameBytesMax + kSealedExtraBytes> bytes;
  };
  enum class Reading { kMore, kWhole, kLeft };

  TcpDoor(const LinkOptions& options, UniqueFd listener)
      : options_(options), listener_(std::move(listener)) {}

  absl::Status Accept();
  static Reading ReadFrom(Guest& guest);
  // Whether one of the guests has said all; then current_ is it.
  bool ReadAll();
  absl::Status Wait(absl::Time deadline);

  const LinkOptions options_;
  UniqueFd listener_;
  std::deque<std::unique_ptr<Guest>> guests_;
  std::unique_ptr<Guest> current_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_TCP_DOOR_H_

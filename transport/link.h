// One connection that carries whole messages between this rank and one peer.

#ifndef SHOAL_TRANSPORT_LINK_H_
#define SHOAL_TRANSPORT_LINK_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/channel.h"
#include "transport/network.h"
#include "transport/wake_event.h"

namespace shoal::transport {

struct LinkOptions {
  NetworkOptions network;
  std::shared_ptr<const AbortState> abort;
  std::shared_ptr<const WakeEvent> wake;
};

// What a socket transport implements; LinkNetwork makes a network of it. The
// lower rank of a link listens, the higher one dials, once.
//
// Threads:  one at a time; `abort` and `wake` are set from any.
class Link {
 public:
  virtual ~Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Where a listening link can be reached: "tcp://host:port".
  virtual const std::string& endpoint() const = 0;

  // `head` and `tail` are one message. A listening link sends to the peer or,
  // before KeepPeer(), to the sender of the last message received.
  // Errors: kDeadlineExceeded  nothing was sent; kCancelled  aborted;
  //         kUnavailable       the peer is gone
  virtual absl::Status Send(std::span<const std::byte> head,
                            std::span<const std::byte> tail,
                            absl::Time deadline) = 0;

  // The view is valid until the next Receive(), aligned to 8 bytes, and the
  // caller's to write to.
  // Errors: as Send(); kPermissionDenied  a listening link: the sender has no
  //         right to dial; what is sent next is for it, and others may follow
  virtual absl::StatusOr<std::span<std::byte>> Receive(absl::Time deadline) = 0;

  // Where the caller may write a message of so many bytes for the peer to read
  // it there, aligned to 8 bytes; SendRoom() then sends it, or, if it fails,
  // takes the room back. Empty: nowhere, use Send(). Errors: as Send().
  virtual absl::StatusOr<std::span<std::byte>> TakeRoom(size_t, absl::Time) {
    return std::span<std::byte>();
  }
  // REQUIRES: the call before was TakeRoom(), and gave some.
  virtual absl::Status SendRoom(absl::Time) {
    return absl::InternalError("no room was taken");
  }
  // Whether the message of the last Receive() lies in such room.
  virtual bool received_in_memory() const { return false; }

  // Listening links: the sender of the last message received is the peer. Who
  // else dialled or dials is a stranger from now on, and is ignored.
  virtual void KeepPeer() = 0;

  // How long Receive() polls before it sleeps; see Channel::set_polling_time().
  virtual void set_polling_time(absl::Duration time) = 0;

 protected:
  Link() = default;
};

// For sockets: whole milliseconds until `deadline`, rounded up, and at most a
// minute, after which the caller looks again. -1: no limit.
int PollMilliseconds(absl::Time deadline);

// Splits "tcp://HOST:PORT"; the host is without brackets.
struct LinkAddress {
  std::string host;
  std::string port;
};
// Errors: kInvalidArgument  anything else; the text goes on after "rank 2 "
absl::StatusOr<LinkAddress> ParseEndpoint(const std::string& endpoint);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_LINK_H_

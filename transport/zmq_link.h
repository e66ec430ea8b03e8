// One ZeroMQ socket that carries messages between this rank and one peer.

#ifndef SHOAL_TRANSPORT_ZMQ_LINK_H_
#define SHOAL_TRANSPORT_ZMQ_LINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/channel.h"
#include "transport/network.h"
#include "transport/zmq_context.h"

namespace shoal::transport {

// An event that wakes every poll from any thread, and stays set.
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

// The lower rank's socket is a ROUTER, the higher one's a DEALER. A ROUTER
// tells connections apart: strangers that dial in are read, refused and from
// then on ignored, and they take nothing of what is meant for the peer. A PAIR
// would belong to whoever dials first, and a DEALER would deal out frames to
// all. The dialer never dials twice, and each connection has its own route, so
// a peer that comes back is a stranger: no silent reconnect.
//
// Threads:  one at a time; `abort` and `wake` are set from any.
class ZmqLink {
 public:
  struct Options {
    ZmqContext* context = nullptr;  // borrowed; outlives the link
    NetworkOptions network;
    std::shared_ptr<const AbortState> abort;
    std::shared_ptr<const WakeEvent> wake;
  };

  // Errors: kUnavailable        the address cannot be bound or dialled
  //         kInvalidArgument    the address is none
  //         kResourceExhausted  too many sockets or files
  static absl::StatusOr<std::unique_ptr<ZmqLink>> Listen(
      const Options& options);
  static absl::StatusOr<std::unique_ptr<ZmqLink>> Dial(
      const Options& options, const std::string& endpoint);

  ~ZmqLink();
  ZmqLink(const ZmqLink&) = delete;
  ZmqLink& operator=(const ZmqLink&) = delete;

  // Where a listening link can be reached: "tcp://host:port".
  const std::string& endpoint() const { return endpoint_; }

  // `head` and `tail` are one message. A listening link sends to the peer or,
  // before KeepPeer(), to the sender of the last message received.
  // Errors: kDeadlineExceeded; kCancelled  aborted; kUnavailable  peer gone
  absl::Status Send(std::span<const std::byte> head,
                    std::span<const std::byte> tail, absl::Time deadline);

  // The view is valid until the next call, and aligned to 8 bytes. A message of
  // several parts, which no correct peer sends, gives an empty view.
  // Errors: as Send().
  absl::StatusOr<std::span<const std::byte>> Receive(absl::Time deadline);

  // Listening links: the sender of the last message received is the peer.
  void KeepPeer();

 private:
  class Message;

  ZmqLink(const Options& options, bool listening);

  absl::Status Open(int socket_type);
  absl::Status OpenMonitor();
  absl::Status Wait(short events, absl::Time deadline);
  // False: nothing there right now. Else view_ is the message.
  bool TryReceive();
  void ReadMonitor();
  void OnEvent(int event, int value);
  absl::Status GoneError() const;

  const Options options_;
  const bool listening_;
  void* socket_ = nullptr;
  void* monitor_ = nullptr;
  std::string endpoint_;

  std::unique_ptr<Message> body_;  // received last
  std::vector<uint64_t> aligned_;  // its copy, where libzmq's is not aligned
  std::span<const std::byte> view_;

  std::string sender_route_;  // of the message received last
  int sender_fd_ = -1;
  std::string peer_route_;  // listening: empty until KeepPeer()
  int peer_fd_ = -1;
  bool established_ = false;
  bool gone_ = false;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_ZMQ_LINK_H_

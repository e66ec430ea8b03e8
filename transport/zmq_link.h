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
#include "transport/link.h"
#include "transport/zmq_context.h"

namespace shoal::transport {

// The lower rank's socket is a ROUTER, the higher one's a DEALER. A ROUTER
// tells connections apart: strangers that dial in are read, refused and from
// then on ignored, and they take nothing of what is meant for the peer. A PAIR
// would belong to whoever dials first, and a DEALER would deal out frames to
// all. The dialer never dials twice, and each connection has its own route, so
// a peer that comes back is a stranger: no silent reconnect.
class ZmqLink final : public Link {
 public:
  // `context` is borrowed; it outlives the link.
  // Errors: kUnavailable        the address cannot be bound or dialled
  //         kInvalidArgument    the address is none
  //         kResourceExhausted  too many sockets or files
  //         kUnimplemented      sealed, and this libzmq has no CURVE
  static absl::StatusOr<std::unique_ptr<ZmqLink>> Listen(
      ZmqContext& context, const LinkOptions& options);
  static absl::StatusOr<std::unique_ptr<ZmqLink>> Dial(
      ZmqContext& context, const LinkOptions& options,
      const std::string& endpoint);

  ~ZmqLink() override;

  const std::string& endpoint() const override { return endpoint_; }
  absl::Status Send(std::span<const std::byte> head,
                    std::span<const std::byte> tail,
                    absl::Time deadline) override;
  // A message of several parts, which no correct peer sends, gives an empty
  // view.
  absl::StatusOr<std::span<std::byte>> Receive(absl::Time deadline) override;
  void KeepPeer() override;
  // Nothing to poll: libzmq's own thread reads the socket.
  void set_polling_time(absl::Duration) override {}

 private:
  class Message;

  ZmqLink(ZmqContext& context, const LinkOptions& options, bool listening);

  absl::Status Open(int socket_type);
  absl::Status Seal();
  absl::Status OpenMonitor();
  absl::Status Wait(absl::Time deadline);
  absl::Status WaitForRoom(absl::Time deadline);
  // False: nothing there right now. Else view_ is the message.
  bool TryReceive();
  void ReadMonitor();
  void OnEvent(int event, int value);
  absl::Status GoneError() const;

  ZmqContext& context_;
  const LinkOptions options_;
  const bool listening_;
  void* socket_ = nullptr;
  void* monitor_ = nullptr;
  int socket_fd_ = -1;
  int monitor_fd_ = -1;
  std::string endpoint_;

  std::unique_ptr<Message> body_;  // received last
  std::vector<uint64_t> aligned_;  // its copy, where libzmq's is not aligned
  std::span<std::byte> view_;

  std::string sender_route_;  // of the message received last
  int sender_fd_ = -1;
  std::string peer_route_;  // listening: empty until KeepPeer()
  int peer_fd_ = -1;
  bool established_ = false;
  bool gone_ = false;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_ZMQ_LINK_H_

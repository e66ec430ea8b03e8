// Ping-pong over channels and over bare sockets, to see what a channel costs.

#ifndef SHOAL_TRANSPORT_PING_H_
#define SHOAL_TRANSPORT_PING_H_

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
#include "transport/zmq_context.h"

namespace shoal::transport {

// One end of a link that carries messages of a size that both ends know.
// Threads: thread-compatible. Errors: kUnavailable and others: the link is of
// no more use.
class PingEnd {
 public:
  virtual ~PingEnd() = default;
  PingEnd(const PingEnd&) = delete;
  PingEnd& operator=(const PingEnd&) = delete;

  virtual absl::Status Send(std::span<const std::byte> message) = 0;
  // Waits for a message of `size` bytes.
  virtual absl::Status Receive(size_t size) = 0;

 protected:
  PingEnd() = default;
};

// The end of a channel. `channel` is borrowed.
std::unique_ptr<PingEnd> PingOver(Channel& channel);

// A bare socket and where the other end dials it.
struct PingDoor {
  std::unique_ptr<PingEnd> end;
  std::string endpoint;
};

// A TCP socket with TCP_NODELAY: recv() in a loop if `polls`, else blocking.
// No framing, no checks: what the kernel takes and nothing else. On loopback;
// the listening end waits for the other in its first call.
absl::StatusOr<PingDoor> ListenForBareTcp(bool polls);
absl::StatusOr<std::unique_ptr<PingEnd>> DialBareTcp(
    bool polls, const std::string& endpoint);

// A PAIR socket of libzmq, blocking. `context` is borrowed.
absl::StatusOr<PingDoor> ListenForBareZmq(ZmqContext& context);
absl::StatusOr<std::unique_ptr<PingEnd>> DialBareZmq(
    ZmqContext& context, const std::string& endpoint);

// Sends `bytes` bytes and awaits as many, `count` times; the times go behind
// those in `to`.
absl::Status Ping(PingEnd& end, size_t bytes, uint32_t count,
                  std::vector<absl::Duration>& to);
// The other end.
absl::Status Echo(PingEnd& end, size_t bytes, uint32_t count);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_PING_H_

// The network over plain TCP sockets, which the calling thread polls itself.

#ifndef SHOAL_TRANSPORT_TCP_NETWORK_H_
#define SHOAL_TRANSPORT_TCP_NETWORK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/link_network.h"

namespace shoal::transport {

// As ZmqNetwork in all that frames and failures are about: a peer process that
// ends is noticed at once, a host that answers nothing after silence_max, and a
// process that hangs by the deadline of Receive() alone.
//
// Cost:     a round trip of 8 KiB on loopback takes 11 to 15 us while both ends
//           poll, and 25 to 65 us where they sleep (polling_time).
// Memory:   per link, a buffer of high_water_mark + 1 frames, of which only
//           what is used takes memory: one frame and 64 KiB unless the peer
//           sends faster than this rank receives.
// Limits:   without NetworkOptions::seal_secret links are not encrypted, and
//           the link key crosses them in clear: use loopback or a network you
//           trust. Frames move only while a call
//           is in one of the channels: a peer that sends more than the kernel
//           holds (100 KiB to some MiB) waits until this rank calls.
class TcpNetwork final : public LinkNetwork {
 public:
  explicit TcpNetwork(const NetworkOptions& options) : LinkNetwork(options) {}

 private:
  absl::StatusOr<std::unique_ptr<Link>> ListenLink(
      const LinkOptions& options) override;
  absl::StatusOr<std::unique_ptr<Link>> DialLink(const LinkOptions& options,
                                                 const std::string& endpoint,
                                                 absl::Time deadline) override;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_TCP_NETWORK_H_

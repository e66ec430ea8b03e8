// The network over ZeroMQ: TCP between processes and machines.

#ifndef SHOAL_TRANSPORT_ZMQ_NETWORK_H_
#define SHOAL_TRANSPORT_ZMQ_NETWORK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/link_network.h"
#include "transport/zmq_context.h"

namespace shoal::transport {

// One socket per peer. A peer process that ends is noticed at once; a host that
// answers nothing for options.silence_max is gone too. A process that hangs on
// a live host is noticed by the deadline of Receive() alone.
//
// Cost:     a round trip of small frames on loopback takes 60 to 90 us.
// Memory:   per link, what libzmq holds in its queues (network.h), and nothing
//           of our own that grows with the payload.
// Limits:   without NetworkOptions::seal_secret links are not encrypted, and
//           the link key crosses them in clear: use loopback or a network you
//           trust. With it, they use CURVE.
class ZmqNetwork final : public LinkNetwork {
 public:
  // `context` is borrowed; it outlives the network and its group.
  ZmqNetwork(ZmqContext& context, const NetworkOptions& options)
      : LinkNetwork(options), context_(context) {}

 private:
  absl::StatusOr<std::unique_ptr<Link>> ListenLink(
      const LinkOptions& options) override;
  absl::StatusOr<std::unique_ptr<Link>> DialLink(const LinkOptions& options,
                                                 const std::string& endpoint,
                                                 absl::Time deadline) override;

  ZmqContext& context_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_ZMQ_NETWORK_H_

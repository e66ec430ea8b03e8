// The network over ZeroMQ: TCP between processes and machines.

#ifndef SHOAL_TRANSPORT_ZMQ_NETWORK_H_
#define SHOAL_TRANSPORT_ZMQ_NETWORK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "transport/network.h"
#include "transport/zmq_context.h"
#include "transport/zmq_link.h"

namespace shoal::transport {

// One socket per peer. A peer process that ends is noticed at once; a host that
// answers nothing for options.silence_max is gone too. A process that hangs on
// a live host is noticed by the deadline of Receive() alone.
//
// Cost:     a round trip of small frames on loopback takes 60 to 90 us.
// Memory:   per link, what libzmq holds in its queues (network.h), and nothing
//           of our own that grows with the payload.
// Limits:   links are not encrypted, and the link key crosses them in clear:
// use
//           loopback or a network you trust.
class ZmqNetwork final : public Network {
 public:
  // `context` is borrowed; it outlives the network and its group.
  ZmqNetwork(ZmqContext& context, const NetworkOptions& options);
  ~ZmqNetwork() override;

  absl::StatusOr<std::map<uint32_t, std::string>> Listen() override;
  absl::StatusOr<std::unique_ptr<ChannelGroup>> Connect(
      const std::map<uint32_t, std::string>& endpoints,
      absl::Time deadline) override;

 private:
  using Links = std::map<uint32_t, std::unique_ptr<ZmqLink>>;

  ZmqLink::Options LinkOptions();
  absl::StatusOr<std::unique_ptr<ZmqLink>> Dial(
      const std::map<uint32_t, std::string>& endpoints, uint32_t peer,
      absl::Time deadline);
  absl::Status Accept(ZmqLink& link, uint32_t peer, absl::Time deadline);
  absl::Status AwaitHello(ZmqLink& link, uint32_t peer, absl::Time deadline);
  absl::Status Explain(const absl::Status& status, uint32_t peer,
                       const char* late) const;

  ZmqContext& context_;
  const NetworkOptions options_;
  const std::shared_ptr<AbortState> abort_ = std::make_shared<AbortState>();
  std::shared_ptr<WakeEvent> wake_;  // from Listen() on
  Links links_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_ZMQ_NETWORK_H_

#include "transport/zmq_network.h"

#include "transport/zmq_link.h"

namespace shoal::transport {

absl::StatusOr<std::unique_ptr<Link>> ZmqNetwork::ListenLink(
    const LinkOptions& options) {
  return ZmqLink::Listen(context_, options);
}

absl::StatusOr<std::unique_ptr<Link>> ZmqNetwork::DialLink(
    const LinkOptions& options, const std::string& endpoint, absl::Time) {
  return ZmqLink::Dial(context_, options, endpoint);
}

}  // namespace shoal::transport

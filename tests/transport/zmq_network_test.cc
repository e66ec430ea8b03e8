#include "transport/zmq_network.h"

#include <memory>

#include "tests/transport/socket_suite.h"
#include "transport/zmq_context.h"

namespace shoal::transport {
namespace {

class ZmqFactory final : public SocketFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    return std::make_unique<ZmqNetwork>(*context_, options);
  }

 private:
  std::unique_ptr<ZmqContext> context_ = *ZmqContext::Create();
};

constexpr NetworkFactoryMaker kMake = [] {
  return std::unique_ptr<NetworkFactory>(new ZmqFactory);
};

INSTANTIATE_TEST_SUITE_P(Zmq, NetworkTest, ::testing::Values(kMake));
INSTANTIATE_TEST_SUITE_P(Zmq, SocketNetworkTest, ::testing::Values(kMake));

}  // namespace
}  // namespace shoal::transport

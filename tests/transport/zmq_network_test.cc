#include "transport/zmq_network.h"

#include <memory>

#include "tests/transport/socket_suite.h"
#include "transport/zmq_context.h"

namespace shoal::transport {
namespace {

class ZmqFactory : public SocketFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    return std::make_unique<ZmqNetwork>(*context_, options);
  }

 private:
  std::unique_ptr<ZmqContext> context_ = *ZmqContext::Create();
};

class CurveFactory final : public ZmqFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    NetworkOptions sealed = options;
    sealed.seal_secret = kSealSecret;
    return ZmqFactory::Make(sealed);
  }
};

constexpr NetworkFactoryMaker kMake = [] {
  return std::unique_ptr<NetworkFactory>(new ZmqFactory);
};
constexpr NetworkFactoryMaker kMakeCurve = [] {
  return std::unique_ptr<NetworkFactory>(new CurveFactory);
};

INSTANTIATE_TEST_SUITE_P(Zmq, NetworkTest, ::testing::Values(kMake));
INSTANTIATE_TEST_SUITE_P(Zmq, SocketNetworkTest, ::testing::Values(kMake));
INSTANTIATE_TEST_SUITE_P(Curve, NetworkTest, ::testing::Values(kMakeCurve));
INSTANTIATE_TEST_SUITE_P(Curve, SocketNetworkTest,
                         ::testing::Values(kMakeCurve));

}  // namespace
}  // namespace shoal::transport

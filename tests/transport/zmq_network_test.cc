#include "transport/zmq_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/transport/network_suite.h"
#include "transport/zmq_context.h"

namespace shoal::transport {
namespace {

using ::shoal::testing::OptionsForRank;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class ZmqFactory final : public NetworkFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    return std::make_unique<ZmqNetwork>(*context_, options);
  }
  std::string DeadEndpoint() override {
    // Bound, so that nobody else gets the port, but not listening.
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    dead_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(dead_fd_, generic, size), 0);
    EXPECT_EQ(getsockname(dead_fd_, generic, &size), 0);
    return absl::StrCat("tcp://127.0.0.1:", ntohs(address.sin_port));
  }
  ~ZmqFactory() override {
    if (dead_fd_ >= 0) close(dead_fd_);
  }

 private:
  std::unique_ptr<ZmqContext> context_ = *ZmqContext::Create();
  int dead_fd_ = -1;
};

INSTANTIATE_TEST_SUITE_P(Zmq, NetworkTest, ::testing::Values([] {
                           return std::unique_ptr<NetworkFactory>(
                               new ZmqFactory);
                         }));

class ZmqNetworkTest : public ::testing::Test {
 protected:
  std::unique_ptr<ZmqContext> context_ = *ZmqContext::Create();
};

TEST_F(ZmqNetworkTest, AdvertisesTheBoundPortAtTheAdvertisedAddress) {
  NetworkOptions options = OptionsForRank(0, 2);
  options.bind_address = "0.0.0.0";
  options.advertised_address = "kitchen.example";
  const auto endpoints = ZmqNetwork(*context_, options).Listen();
  ASSERT_TRUE(endpoints.ok()) << endpoints.status();
  EXPECT_THAT(endpoints->at(1), MatchesRegex("tcp://kitchen.example:[0-9]+"));
}

TEST_F(ZmqNetworkTest, WildcardNeedsAnAdvertisedAddress) {
  for (const char* address : {"*", "0.0.0.0", "[::]", ""}) {
    NetworkOptions options = OptionsForRank(0, 2);
    options.bind_address = address;
    const auto endpoints = ZmqNetwork(*context_, options).Listen();
    EXPECT_EQ(endpoints.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(endpoints.status().message()),
                HasSubstr("give advertised_address"));
  }
}

TEST_F(ZmqNetworkTest, AddressThatIsNotOursIsNamed) {
  NetworkOptions options = OptionsForRank(0, 2);
  options.bind_address = "192.0.2.1";  // kept for documentation (RFC 5737)
  const auto endpoints = ZmqNetwork(*context_, options).Listen();
  EXPECT_EQ(endpoints.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(endpoints.status().message()),
              HasSubstr("cannot listen at tcp://192.0.2.1:*"));
}

TEST_F(ZmqNetworkTest, MalformedEndpointsAreRefused) {
  for (const char* endpoint :
       {"", "127.0.0.1:5", "inproc://shoal", "ipc:///tmp/x", "tcp://",
        "tcp://127.0.0.1", "tcp://127.0.0.1:port", "tcp://127.0.0.1:70000"}) {
    ZmqNetwork network(*context_, OptionsForRank(1, 2));
    ASSERT_TRUE(network.Listen().ok());
    const auto group =
        network.Connect({{0, endpoint}}, absl::Now() + absl::Seconds(20));
    EXPECT_EQ(group.status().code(), absl::StatusCode::kInvalidArgument)
        << endpoint << ": " << group.status();
    EXPECT_THAT(std::string(group.status().message()),
                HasSubstr("rank 0 (device-0)"));
  }
}

}  // namespace
}  // namespace shoal::transport

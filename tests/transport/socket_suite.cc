#include "tests/transport/socket_suite.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "transport/link.h"

namespace shoal::transport {

using ::shoal::testing::OptionsForRank;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

SocketFactory::~SocketFactory() {
  if (dead_fd_ >= 0) close(dead_fd_);
}

std::string SocketFactory::DeadEndpoint() {
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

namespace {

// Connects without a word; -1: refused.
int DialInSilence(const std::string& endpoint) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port =
      htons(static_cast<uint16_t>(std::stoi(ParseEndpoint(endpoint)->port)));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    close(fd);
    return -1;
  }
  return fd;
}

TEST_P(SocketNetworkTest, StrangersThatSayNothingOrNonsenseDisturbNobody) {
  auto listener = factory_->Make(OptionsForRank(0, 2));
  auto peer = factory_->Make(OptionsForRank(1, 2));
  const auto endpoints = listener->Listen();
  ASSERT_TRUE(endpoints.ok()) << endpoints.status();
  ASSERT_TRUE(peer->Listen().ok());
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  auto listening = std::async(std::launch::async,
                              [&] { return listener->Connect({}, deadline); });
  std::vector<int> strangers;
  for (int i = 0; i < 8; ++i) {
    strangers.push_back(DialInSilence(endpoints->at(1)));
    ASSERT_GE(strangers.back(), 0);
    const std::string words(i * 40, 'x');
    EXPECT_EQ(send(strangers.back(), words.data(), words.size(), 0),
              static_cast<ssize_t>(words.size()));
  }
  const auto group = peer->Connect({{0, endpoints->at(1)}}, deadline);
  const auto other = listening.get();
  ASSERT_TRUE(group.ok()) << group.status();
  ASSERT_TRUE(other.ok()) << other.status();
  FrameHeader header;
  header.pass = 42;
  ASSERT_TRUE((*group)->To(0).Send(header, {}, deadline).ok());
  const auto frame = (*other)->To(1).Receive(deadline);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->header.pass, 42u);
  for (const int fd : strangers) close(fd);
}

TEST_P(SocketNetworkTest, AdvertisesTheBoundPortAtTheAdvertisedAddress) {
  NetworkOptions options = OptionsForRank(0, 2);
  options.bind_address = "0.0.0.0";
  options.advertised_address = "kitchen.example";
  const auto endpoints = factory_->Make(options)->Listen();
  ASSERT_TRUE(endpoints.ok()) << endpoints.status();
  EXPECT_THAT(endpoints->at(1), MatchesRegex("tcp://kitchen.example:[0-9]+"));
}

TEST_P(SocketNetworkTest, WildcardNeedsAnAdvertisedAddress) {
  for (const char* address : {"*", "0.0.0.0", "[::]", ""}) {
    NetworkOptions options = OptionsForRank(0, 2);
    options.bind_address = address;
    const auto endpoints = factory_->Make(options)->Listen();
    EXPECT_EQ(endpoints.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(endpoints.status().message()),
                HasSubstr("give advertised_address"));
  }
}

TEST_P(SocketNetworkTest, AddressThatIsNotOursIsNamed) {
  NetworkOptions options = OptionsForRank(0, 2);
  options.bind_address = "192.0.2.1";  // kept for documentation (RFC 5737)
  const auto endpoints = factory_->Make(options)->Listen();
  EXPECT_EQ(endpoints.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(endpoints.status().message()),
              HasSubstr("cannot listen at tcp://192.0.2.1:*"));
}

TEST_P(SocketNetworkTest, MalformedEndpointsAreRefused) {
  for (const char* endpoint :
       {"", "127.0.0.1:5", "inproc://shoal", "ipc:///tmp/x", "tcp://",
        "tcp://127.0.0.1", "tcp://127.0.0.1:port", "tcp://127.0.0.1:70000"}) {
    const auto network = factory_->Make(OptionsForRank(1, 2));
    ASSERT_TRUE(network->Listen().ok());
    const auto group =
        network->Connect({{0, endpoint}}, absl::Now() + absl::Seconds(20));
    EXPECT_EQ(group.status().code(), absl::StatusCode::kInvalidArgument)
        << endpoint << ": " << group.status();
    EXPECT_THAT(std::string(group.status().message()),
                HasSubstr("rank 0 (device-0)"));
  }
}

}  // namespace
}  // namespace shoal::transport

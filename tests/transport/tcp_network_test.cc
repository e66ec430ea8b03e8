#include "transport/tcp_network.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <memory>
#include <vector>

#include "absl/time/clock.h"
#include "tests/transport/socket_suite.h"

namespace shoal::transport {
namespace {

using ::shoal::testing::ConnectRanks;

class TcpFactory : public SocketFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    return std::make_unique<TcpNetwork>(options);
  }
};

// Never polls, so that every wait goes through poll(2).
class SleepingTcpFactory final : public TcpFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    NetworkOptions sleeping = options;
    sleeping.polling_time = absl::ZeroDuration();
    return TcpFactory::Make(sleeping);
  }
};

class SealedTcpFactory final : public TcpFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    NetworkOptions sealed = options;
    sealed.seal_secret = kSealSecret;
    return TcpFactory::Make(sealed);
  }
};

// Whose large frames go through memory, as far as there is room: little, so
// that many go through the socket, too.
class SharingTcpFactory final : public TcpFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    NetworkOptions sharing = options;
    if (sharing.shared_bytes == 0) {
      sharing.shared_bytes = 2 * NetworkTest::kPayloadBytesMax;
    }
    return TcpFactory::Make(sharing);
  }
};

constexpr NetworkFactoryMaker kMake = [] {
  return std::unique_ptr<NetworkFactory>(new TcpFactory);
};
constexpr NetworkFactoryMaker kMakeSleeping = [] {
  return std::unique_ptr<NetworkFactory>(new SleepingTcpFactory);
};
constexpr NetworkFactoryMaker kMakeSharing = [] {
  return std::unique_ptr<NetworkFactory>(new SharingTcpFactory);
};
constexpr NetworkFactoryMaker kMakeSealed = [] {
  return std::unique_ptr<NetworkFactory>(new SealedTcpFactory);
};

INSTANTIATE_TEST_SUITE_P(Tcp, NetworkTest,
                         ::testing::Values(kMake, kMakeSleeping));
INSTANTIATE_TEST_SUITE_P(Tcp, SocketNetworkTest, ::testing::Values(kMake));
INSTANTIATE_TEST_SUITE_P(SharingTcp, NetworkTest,
                         ::testing::Values(kMakeSharing));
INSTANTIATE_TEST_SUITE_P(SharingTcp, SocketNetworkTest,
                         ::testing::Values(kMakeSharing));
INSTANTIATE_TEST_SUITE_P(SealedTcp, NetworkTest,
                         ::testing::Values(kMakeSealed));
INSTANTIATE_TEST_SUITE_P(SealedTcp, SocketNetworkTest,
                         ::testing::Values(kMakeSealed));

TEST(TcpNetworkTest, LargeFramesGoThroughMemoryBothWaysWhereItIsShared) {
  constexpr size_t kFrameBytes = 100'000;
  for (const size_t shared_bytes : {size_t{0}, 4 * kFrameBytes}) {
    auto groups = ConnectRanks(
        [&](const NetworkOptions& options) {
          NetworkOptions sharing = options;
          sharing.shared_bytes = shared_bytes;
          return std::make_unique<TcpNetwork>(sharing);
        },
        2);
    ASSERT_TRUE(groups.ok()) << groups.status();
    for (int i = 0; i < 20; ++i) {
      const uint32_t from = i % 2;
      std::vector<std::byte> sent(kFrameBytes + i);
      for (size_t at = 0; at < sent.size(); ++at) {
        sent[at] = static_cast<std::byte>(at * (i + 1));
      }
      FrameHeader header;
      header.pass = i;
      Channel& to = (*groups)[from]->To(1 - from);
      const absl::Time deadline = absl::Now() + absl::Seconds(30);
      ASSERT_TRUE(to.Send(header, sent, deadline).ok());
      const auto frame = (*groups)[1 - from]->To(from).Receive(deadline);
      ASSERT_TRUE(frame.ok()) << frame.status();
      EXPECT_EQ(frame->header.pass, static_cast<uint64_t>(i));
      EXPECT_TRUE(std::ranges::equal(frame->payload, sent));
    }
    for (const uint32_t from : {0, 1}) {
      const Channel& to = (*groups)[from]->To(1 - from);
      // All but the first, with which the memory was offered.
      const uint64_t shared = shared_bytes == 0 ? 0 : 9 * kFrameBytes;
      EXPECT_GE(to.bytes_shared(), shared);
      EXPECT_LE(to.bytes_shared(), shared + shared / 100);
    }
  }
}

absl::Duration ThreadTime() {
  rusage usage = {};
  getrusage(RUSAGE_THREAD, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) +
         absl::DurationFromTimeval(usage.ru_stime);
}

TEST(TcpNetworkTest, WaitsOnTheProcessorForThePollingTimeAlone) {
  auto groups = ConnectRanks(
      [](const NetworkOptions& options) {
        return std::make_unique<TcpNetwork>(options);
      },
      2);
  ASSERT_TRUE(groups.ok()) << groups.status();
  const auto wait = [&] {
    const absl::Duration before = ThreadTime();
    EXPECT_EQ((*groups)[0]
                  ->To(1)
                  .Receive(absl::Now() + absl::Milliseconds(200))
                  .status()
                  .code(),
              absl::StatusCode::kDeadlineExceeded);
    return ThreadTime() - before;
  };
  // The default of NetworkOptions, then none.
  EXPECT_LT(wait(), absl::Milliseconds(20));
  (*groups)[0]->set_polling_time(absl::ZeroDuration());
  EXPECT_LT(wait(), absl::Milliseconds(20));
}

}  // namespace
}  // namespace shoal::transport

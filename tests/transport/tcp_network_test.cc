#include "transport/tcp_network.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <future>
#include <memory>

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
    sharing.shared_bytes = 2 * NetworkTest::kPayloadBytesMax;
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
INSTANTIATE_TEST_SUITE_P(SealedTcp, NetworkTest,
                         ::testing::Values(kMakeSealed));
INSTANTIATE_TEST_SUITE_P(SealedTcp, SocketNetworkTest,
                         ::testing::Values(kMakeSealed));

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

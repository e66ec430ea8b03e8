#include "transport/in_memory_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "tests/transport/network_suite.h"

namespace shoal::transport {
namespace {

using ::shoal::testing::ConnectRanks;
using ::testing::HasSubstr;

class InMemoryFactory final : public NetworkFactory {
 public:
  std::unique_ptr<Network> Make(const NetworkOptions& options) override {
    return hub_.Join(options);
  }
  std::string DeadEndpoint() override { return "memory://0"; }

 private:
  InMemoryNetwork hub_;
};

INSTANTIATE_TEST_SUITE_P(InMemory, NetworkTest, ::testing::Values([] {
                           return std::unique_ptr<NetworkFactory>(
                               new InMemoryFactory);
                         }));

class FaultTest : public ::testing::Test {
 protected:
  // Rank 0 sends `frame_count` frames to rank 1 under `faults`.
  // Returns how many arrived, and why no more.
  std::pair<int, absl::Status> Run(const LinkFaults& faults, uint64_t seed,
                                   int frame_count = 100) {
    InMemoryNetwork hub(seed);
    hub.SetFaults(0, 1, faults);
    auto groups = ConnectRanks(
        [&hub](const NetworkOptions& options) { return hub.Join(options); }, 2,
        [&](NetworkOptions& options) {
          options.high_water_mark = frame_count;
        });
    EXPECT_TRUE(groups.ok()) << groups.status();
    const std::vector<std::byte> payload(100);
    for (int i = 0; i < frame_count; ++i) {
      if (!(*groups)[0]->To(1).Send({}, payload, absl::InfiniteFuture()).ok())
        break;
    }
    (*groups)[0].reset();
    for (int arrived = 0;; ++arrived) {
      const auto frame =
          (*groups)[1]->To(0).Receive(absl::Now() + absl::Seconds(20));
      if (!frame.ok()) return {arrived, frame.status()};
    }
  }

  void ExpectError(const LinkFaults& faults, absl::StatusCode code,
                   const std::string& text) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      const auto [arrived, status] = Run(faults, seed);
      EXPECT_EQ(status.code(), code) << "seed " << seed << ": " << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(text))
          << "seed " << seed;
      EXPECT_GE(arrived, 10) << "seed " << seed;
      EXPECT_LT(arrived, 100) << "seed " << seed;
    }
  }
};

LinkFaults SparingTen() {
  LinkFaults faults;
  faults.spared_frame_count = 10;
  return faults;
}

TEST_F(FaultTest, WithoutFaultsAllFramesArrive) {
  EXPECT_EQ(Run({}, 1).first, 100);
}

TEST_F(FaultTest, DroppedFrameIsNoticedAtTheNext) {
  LinkFaults faults = SparingTen();
  faults.drop = 0.3;
  ExpectError(faults, absl::StatusCode::kUnavailable,
              "rank 0 (device-0): the link lost or repeated frames");
}

TEST_F(FaultTest, ReorderedFramesAreNoticed) {
  LinkFaults faults = SparingTen();
  faults.reorder = 0.3;
  ExpectError(faults, absl::StatusCode::kUnavailable,
              "rank 0 (device-0): the link lost or repeated frames");
}

TEST_F(FaultTest, CorruptFrameIsDataLoss) {
  LinkFaults faults = SparingTen();
  faults.corrupt = 0.3;
  ExpectError(faults, absl::StatusCode::kDataLoss, "rank 0 (device-0): frame");
}

TEST_F(FaultTest, CutLinkIsUnavailable) {
  LinkFaults faults;
  faults.cut = 0.3;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto [arrived, status] = Run(faults, seed);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(arrived, 0) << "what was under way is gone; seed " << seed;
  }
}

TEST_F(FaultTest, DelayedFramesArriveInOrder) {
  LinkFaults faults;
  faults.delay_max = absl::Milliseconds(2);
  const absl::Time started = absl::Now();
  EXPECT_EQ(Run(faults, 1).first, 100);
  // The latest of 100 uniform draws is above half with certainty enough.
  EXPECT_GE(absl::Now() - started, absl::Milliseconds(1));
}

TEST_F(FaultTest, SameSeedGivesTheSameFaults) {
  LinkFaults faults;
  faults.drop = 0.02;
  bool seeds_differ = false;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    EXPECT_EQ(Run(faults, seed).first, Run(faults, seed).first)
        << "seed " << seed;
    seeds_differ |= Run(faults, seed).first != Run(faults, 1).first;
  }
  EXPECT_TRUE(seeds_differ);
}

TEST_F(FaultTest, KillBreaksTheLinksOfThatRankAlone) {
  InMemoryNetwork hub;
  auto groups = ConnectRanks(
      [&hub](const NetworkOptions& options) { return hub.Join(options); }, 3);
  ASSERT_TRUE(groups.ok()) << groups.status();
  hub.Kill(1);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  EXPECT_EQ((*groups)[0]->To(1).Receive(deadline).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE((*groups)[0]->To(2).Send({}, {}, deadline).ok());
  EXPECT_TRUE((*groups)[2]->To(0).Receive(deadline).ok());
}

}  // namespace
}  // namespace shoal::transport

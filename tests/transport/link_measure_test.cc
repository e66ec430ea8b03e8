#include "transport/link_measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/testing/connect_ranks.h"
#include "transport/in_memory_network.h"

namespace shoal::transport {
namespace {

using ::shoal::testing::ConnectRanks;
using ::testing::HasSubstr;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

class LinkMeasureTest : public ::testing::Test {
 protected:
  void Connect(uint64_t payload_bytes_max) {
    auto groups = ConnectRanks(
        [this](const NetworkOptions& options) { return hub_.Join(options); }, 2,
        [=](NetworkOptions& options) {
          options.payload_bytes_max = payload_bytes_max;
        });
    ASSERT_TRUE(groups.ok()) << groups.status();
    groups_ = std::move(*groups);
  }

  LinkProfile Measure(const LinkMeasureOptions& options) {
    auto answering = std::async(std::launch::async, [this] {
      return AnswerLinkMeasure(groups_[1]->To(0), Soon());
    });
    const auto profile = MeasureLink(groups_[0]->To(1), options, Soon());
    EXPECT_TRUE(profile.ok()) << profile.status();
    EXPECT_TRUE(answering.get().ok());
    return profile.value_or(LinkProfile{});
  }

  InMemoryNetwork hub_;
  std::vector<std::unique_ptr<ChannelGroup>> groups_;
};

TEST_F(LinkMeasureTest, DelaysShowInTheRoundTrip) {
  Connect(1 << 20);
  LinkMeasureOptions options;
  options.ping_count = 20;
  options.stream_bytes_max = 1 << 16;
  const LinkProfile fast = Measure(options);
  LinkFaults faults;
  faults.delay_max = absl::Milliseconds(20);
  hub_.SetFaults(0, 1, faults);
  const LinkProfile slow = Measure(options);
  EXPECT_GT(fast.round_trip, absl::ZeroDuration());
  EXPECT_GT(slow.round_trip, fast.round_trip);
  // The median of uniform draws up to 20 ms.
  EXPECT_GT(slow.round_trip, absl::Milliseconds(2));
}

TEST_F(LinkMeasureTest, BothRatesAreMeasuredWithFramesThatTheLinkAllows) {
  Connect(1000);
  LinkMeasureOptions options;
  options.ping_bytes = 1 << 20;
  options.stream_bytes_max = 1 << 18;
  const LinkProfile profile = Measure(options);
  EXPECT_GT(profile.send_bytes_per_second, 0);
  EXPECT_GT(profile.receive_bytes_per_second, 0);
}

TEST_F(LinkMeasureTest, StreamsGrowToTheirLimitAndNoFurther) {
  Connect(1 << 20);
  LinkMeasureOptions options;
  options.ping_count = 1;
  options.ping_bytes = 0;
  options.stream_bytes_max = 1 << 18;
  options.stream_time_min = absl::InfiniteDuration();
  Measure(options);
  // Pieces of 256 KiB, and one at least: 64, 128 and 256 KiB are one each.
  EXPECT_EQ(groups_[0]->bytes_sent(),
            3 * (1 << 18) + (1 + 3 + 3 + 1) * kFrameHeaderBytes);
  EXPECT_EQ(groups_[0]->bytes_received(),
            3 * (1 << 18) + (1 + 3 + 3 + 1) * kFrameHeaderBytes);
}

TEST_F(LinkMeasureTest, SilentPeerIsNamed) {
  Connect(1 << 20);
  const auto profile =
      MeasureLink(groups_[0]->To(1), {}, absl::Now() + absl::Milliseconds(30));
  EXPECT_EQ(profile.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(profile.status().message()),
              HasSubstr("rank 1 (device-1) sent nothing"));
}

TEST_F(LinkMeasureTest, OtherFramesAreRefused) {
  Connect(1 << 20);
  FrameHeader pieces;
  pieces.type = FrameType::kMeasure;
  pieces.phase = 2;
  pieces.tokens = 1;
  for (const uint32_t count : {0u, 65537u}) {
    pieces.offset = count;
    ASSERT_TRUE(groups_[0]->To(1).Send(pieces, {}, Soon()).ok());
    const absl::Status status = AnswerLinkMeasure(groups_[1]->To(0), Soon());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("pieces of 1 bytes, allowed: 1 to 65536"));
  }
  FrameHeader input;
  input.type = FrameType::kInput;
  ASSERT_TRUE(groups_[0]->To(1).Send(input, {}, Soon()).ok());
  EXPECT_EQ(AnswerLinkMeasure(groups_[1]->To(0), Soon()).code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(groups_[1]->To(0).Send(input, {}, Soon()).ok());
  EXPECT_EQ(MeasureLink(groups_[0]->To(1), {}, Soon()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal::transport

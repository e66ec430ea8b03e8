#include "transport/reach_probe.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace shoal::transport {
namespace {

absl::Time Soon() { return absl::Now() + absl::Seconds(10); }

TEST(ReachProbeTest, ADoorAnswersAsOftenAsItIsAsked) {
  const auto door = ReachDoor::Open("127.0.0.1", absl::Minutes(1));
  ASSERT_TRUE(door.ok()) << door.status();
  const auto first = MeasureReach((*door)->endpoint(), 20, Soon());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->size(), 20u);
  EXPECT_TRUE(MeasureReach((*door)->endpoint(), 1, Soon()).ok());
  EXPECT_EQ(TryConnect((*door)->endpoint(), Soon()), absl::OkStatus());
  EXPECT_GT((*door)->port(), 0u);
}

TEST(ReachProbeTest, GuestsThatHoldTheDoorDoNotKeepItFromEnding) {
  auto door = ReachDoor::Open("127.0.0.1", absl::Minutes(1));
  ASSERT_TRUE(door.ok());
  const std::string endpoint = (*door)->endpoint();
  const auto times = MeasureReach(endpoint, 3, Soon());
  EXPECT_TRUE(times.ok());
  door->reset();
  EXPECT_TRUE(absl::IsUnavailable(TryConnect(endpoint, Soon())));
  EXPECT_TRUE(absl::IsUnavailable(MeasureReach(endpoint, 1, Soon()).status()));
}

TEST(ReachProbeTest, WhereNobodyAnswersTheDeadlineEndsIt) {
  // Its time is over at once, and its port listens still: the kernel takes the
  // connection, and nobody sends anything back.
  const auto door = ReachDoor::Open("127.0.0.1", absl::ZeroDuration());
  ASSERT_TRUE(door.ok());
  while (!(*door)->ended()) {
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      MeasureReach((*door)->endpoint(), 1, absl::Now() + absl::Milliseconds(50))
          .status()));
  EXPECT_TRUE(absl::IsInvalidArgument(TryConnect("10.0.0.1:7", Soon())));
}

}  // namespace
}  // namespace shoal::transport

#include "discovery/rate_limit.h"

#include "gtest/gtest.h"

namespace shoal::discovery {
namespace {

int TakeAll(RateLimit& limit, absl::Time now) {
  int count = 0;
  while (count < 100 && limit.Take(now)) ++count;
  return count;
}

TEST(RateLimitTest, NoMoreThanItsNumberHappenInASecond) {
  RateLimit limit(10);
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_EQ(TakeAll(limit, now), 10);
  EXPECT_EQ(TakeAll(limit, now + absl::Milliseconds(99)), 0);
  EXPECT_EQ(TakeAll(limit, now + absl::Milliseconds(350)), 3);
}

TEST(RateLimitTest, ALongPauseSavesUpNoMore) {
  RateLimit limit(10);
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_EQ(TakeAll(limit, now), 10);
  EXPECT_EQ(TakeAll(limit, now + absl::Hours(1)), 10);
}

TEST(RateLimitTest, AClockSetBackGivesNothing) {
  RateLimit limit(10);
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_EQ(TakeAll(limit, now), 10);
  EXPECT_EQ(TakeAll(limit, now - absl::Hours(1)), 0);
  EXPECT_EQ(TakeAll(limit, now + absl::Milliseconds(100)), 1);
}

}  // namespace
}  // namespace shoal::discovery

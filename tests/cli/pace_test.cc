#include "cli/pace.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(PaceTest, SaysRateAndTimeLeftOnceItHasTakenTwoSeconds) {
  Pace pace;
  const absl::Time begin = absl::UnixEpoch();
  EXPECT_EQ(pace.Text(0, 40 * kMiB, begin), "0 B of 40 MiB");
  EXPECT_EQ(pace.Text(5 * kMiB, 40 * kMiB, begin + absl::Seconds(1)),
            "5 MiB of 40 MiB");
  EXPECT_EQ(pace.Text(10 * kMiB, 40 * kMiB, begin + absl::Seconds(5)),
            "10 MiB of 40 MiB, 2 MiB/s, 15s left");
  EXPECT_EQ(pace.Text(10 * kMiB, 40 * kMiB, begin + absl::Seconds(400)),
            "10 MiB of 40 MiB, 25.6 KiB/s, 20m left");
  EXPECT_EQ(pace.Text(40 * kMiB, 40 * kMiB, begin + absl::Seconds(500)),
            "40 MiB of 40 MiB");
}

TEST(PaceTest, WhatWasThereAtTheBeginningIsNoRate) {
  Pace pace;
  const absl::Time begin = absl::UnixEpoch();
  pace.Text(30 * kMiB, 40 * kMiB, begin);
  EXPECT_EQ(pace.Text(30 * kMiB, 40 * kMiB, begin + absl::Seconds(9)),
            "30 MiB of 40 MiB");
  EXPECT_EQ(pace.Text(35 * kMiB, 40 * kMiB, begin + absl::Seconds(10)),
            "35 MiB of 40 MiB, 512 KiB/s, 10s left");
}

TEST(PaceTest, ABarIsAsWideAsAskedFor) {
  EXPECT_EQ(Pace::Bar(0, 10, 4), "[----]");
  EXPECT_EQ(Pace::Bar(5, 10, 4), "[##--]");
  EXPECT_EQ(Pace::Bar(99, 10, 4), "[####]");
  EXPECT_EQ(Pace::Bar(0, 0, 4), "[----]");
}

}  // namespace
}  // namespace shoal::cli

#include "memory/budget.h"

#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::memory {
namespace {

using base::kMiB;
using ::testing::AllOf;
using ::testing::HasSubstr;

// 30 MiB beside the weights, a share of 100 MiB in units of at most 1 MiB.
BudgetRequest Request(WeightsMode mode, uint64_t budget_bytes) {
  return {.mode = mode,
          .budget_bytes = budget_bytes,
          .fixed_bytes = 16 * kMiB,
          .kv_bytes = 8 * kMiB,
          .activation_bytes = 4 * kMiB,
          .transport_bytes = 2 * kMiB,
          .share_bytes = 100 * kMiB,
          .largest_unit_bytes = 1 * kMiB};
}

TEST(BudgetTest, AutoKeepsEverythingWhereItFits) {
  const auto split = SplitBudget(Request(WeightsMode::kAuto, 130 * kMiB));
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->resident_bytes, 100 * kMiB);
  EXPECT_EQ(split->window_bytes, 0u);
}

TEST(BudgetTest, AutoFillsTheBudgetWithWindowAndResidents) {
  for (uint64_t budget = 31 * kMiB; budget < 130 * kMiB; budget += kMiB / 2) {
    const auto split = SplitBudget(Request(WeightsMode::kAuto, budget));
    ASSERT_TRUE(split.ok()) << split.status();
    EXPECT_EQ(split->resident_bytes + split->window_bytes, budget - 30 * kMiB);
    EXPECT_GE(split->window_bytes, kMiB);
    EXPECT_LE(split->window_bytes, 8 * kMiB);
  }
}

TEST(BudgetTest, AutoStreamsLittleWhereLittleDoesNotFit) {
  const auto split = SplitBudget(Request(WeightsMode::kAuto, 129 * kMiB));
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->window_bytes, 2 * kMiB);
}

TEST(BudgetTest, AWindowThatIsAskedForIsGivenWhereHalfOfTheRestAllows) {
  BudgetRequest request = Request(WeightsMode::kAuto, 90 * kMiB);
  request.window_bytes_wanted = 20 * kMiB;
  EXPECT_EQ(SplitBudget(request)->window_bytes, 20 * kMiB);
  request.window_bytes_wanted = 50 * kMiB;
  EXPECT_EQ(SplitBudget(request)->window_bytes, 30 * kMiB);
  request.mode = WeightsMode::kStream;
  EXPECT_EQ(SplitBudget(request)->window_bytes, 50 * kMiB);
}

TEST(BudgetTest, StreamKeepsNothingEvenWhereEverythingFits) {
  const auto split = SplitBudget(Request(WeightsMode::kStream, 1000 * kMiB));
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->resident_bytes, 0u);
  EXPECT_EQ(split->window_bytes, 16 * kMiB);
}

TEST(BudgetTest, ResidentTakesEverythingOrIsRefused) {
  const auto split = SplitBudget(Request(WeightsMode::kResident, 130 * kMiB));
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->resident_bytes, 100 * kMiB);
  const absl::Status status =
      SplitBudget(Request(WeightsMode::kResident, 129 * kMiB)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("130 MiB"), HasSubstr("1 MiB short"),
                    HasSubstr("--weights auto")));
}

TEST(BudgetTest, BelowTheFloorIsRefusedWithFloorAndShortfall) {
  for (const WeightsMode mode : {WeightsMode::kAuto, WeightsMode::kStream}) {
    EXPECT_EQ(FloorBytes(Request(mode, 0)), 31 * kMiB);
    EXPECT_TRUE(SplitBudget(Request(mode, 31 * kMiB)).ok());
    const absl::Status status =
        SplitBudget(Request(mode, 31 * kMiB - 1)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("1 B short"), HasSubstr("floor of 31 MiB"),
                      HasSubstr("32505856 bytes")));
  }
}

TEST(BudgetTest, ARankWithoutWeightsNeedsNoWindow) {
  for (const WeightsMode mode :
       {WeightsMode::kAuto, WeightsMode::kStream, WeightsMode::kResident}) {
    BudgetRequest request = Request(mode, 30 * kMiB);
    request.share_bytes = 0;
    request.largest_unit_bytes = 0;
    const auto split = SplitBudget(request);
    ASSERT_TRUE(split.ok()) << split.status();
    EXPECT_EQ(split->window_bytes, 0u);
    EXPECT_EQ(split->resident_bytes, 0u);
  }
}

}  // namespace
}  // namespace shoal::memory

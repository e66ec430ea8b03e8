#include "coordinator/token_split.h"

#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

std::optional<TokenMeans> Means(double compute, double stall, double exchange,
                                double wait) {
  TokenMeans means;
  means.tokens = 1;
  means.compute_ms = compute;
  means.stall_ms = stall;
  means.exchange_ms = exchange;
  means.wait_ms = wait;
  return means;
}

TEST(TokenSplitTest, OneRankHasItsOwnTimesAlone) {
  const auto split = SplitToken({Means(80, 20, 0, 0)}, {0});
  ASSERT_TRUE(split.has_value());
  EXPECT_DOUBLE_EQ(split->fleet.compute_ms, 80);
  EXPECT_DOUBLE_EQ(split->fleet.disk_ms, 20);
  EXPECT_DOUBLE_EQ(split->fleet.wire_ms, 0);
  EXPECT_DOUBLE_EQ(split->fleet.wait_ms, 0);
  EXPECT_FALSE(split->slowest[0].has_value());
}

// 100 ms a token: the slow disk of rank 1 holds the others up for 50 of them.
TEST(TokenSplitTest, RanksOfOneStageWaitForTheSlowest) {
  const auto split = SplitToken(
      {Means(30, 0, 4, 66), Means(30, 60, 2, 8), Means(30, 0, 2, 68)},
      {0, 0, 0});
  ASSERT_TRUE(split.has_value());
  EXPECT_DOUBLE_EQ(split->fleet.total_ms(), 100);
  EXPECT_DOUBLE_EQ(split->fleet.compute_ms, 30);
  EXPECT_DOUBLE_EQ(split->fleet.disk_ms, 20);
  EXPECT_DOUBLE_EQ(split->fleet.wait_ms, 40);
  EXPECT_DOUBLE_EQ(split->fleet.wire_ms, 10);
  EXPECT_EQ(split->slowest[0], 1u);
  // Nobody computes for 10 ms; all else is waiting for rank 1.
  EXPECT_DOUBLE_EQ(split->ranks[0]->wire_ms, 10);
  EXPECT_DOUBLE_EQ(split->ranks[0]->wait_ms, 60);
  EXPECT_DOUBLE_EQ(split->ranks[1]->wire_ms, 10);
  EXPECT_DOUBLE_EQ(split->ranks[1]->wait_ms, 0);
  for (const auto& rank : split->ranks) {
    EXPECT_DOUBLE_EQ(rank->total_ms(), 100);
  }
}

TEST(TokenSplitTest, StagesWorkOneAfterTheOther) {
  const auto split =
      SplitToken({Means(40, 0, 1, 59), Means(50, 0, 1, 49)}, {0, 1});
  ASSERT_TRUE(split.has_value());
  EXPECT_DOUBLE_EQ(split->fleet.compute_ms, 90);
  EXPECT_DOUBLE_EQ(split->fleet.wait_ms, 0);
  EXPECT_DOUBLE_EQ(split->fleet.wire_ms, 10);
  EXPECT_DOUBLE_EQ(split->ranks[0]->wait_ms, 50);
  EXPECT_DOUBLE_EQ(split->ranks[1]->wait_ms, 40);
}

TEST(TokenSplitTest, PartsAddUpWhereFiguresDoNotFitTogether) {
  const auto split =
      SplitToken({Means(60, 0, 0, 20), Means(90, 30, 0, 0)}, {0, 0});
  ASSERT_TRUE(split.has_value());
  EXPECT_DOUBLE_EQ(split->fleet.total_ms(), 80);
  EXPECT_DOUBLE_EQ(split->fleet.wire_ms, 0);
}

TEST(TokenSplitTest, RanksThatAreNearlyEqualHaveNoSlowest) {
  const auto split =
      SplitToken({Means(50, 0, 0, 2), Means(52, 0, 0, 0)}, {0, 0});
  ASSERT_TRUE(split.has_value());
  EXPECT_FALSE(split->slowest[0].has_value());
}

TEST(TokenSplitTest, WithoutRankZeroThereIsNothing) {
  EXPECT_FALSE(
      SplitToken({std::nullopt, Means(1, 0, 0, 0)}, {0, 0}).has_value());
}

TEST(TokenSplitTest, ARankWithoutFiguresIsLeftOut) {
  const auto split = SplitToken({Means(30, 0, 0, 10), std::nullopt}, {0, 0});
  ASSERT_TRUE(split.has_value());
  EXPECT_DOUBLE_EQ(split->fleet.total_ms(), 40);
  EXPECT_FALSE(split->ranks[1].has_value());
}

}  // namespace
}  // namespace shoal::coordinator

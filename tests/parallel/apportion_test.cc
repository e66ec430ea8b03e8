#include "parallel/apportion.h"

#include <cmath>
#include <numeric>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::parallel {
namespace {

using ::testing::ElementsAre;

TEST(RoundTableTest, KeepsColumnSumsAndIsLessThanOneOffEverywhere) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 2000; ++trial) {
    SCOPED_TRACE(trial);
    const size_t ranks = 1 + random() % 12;
    const size_t columns = 1 + random() % 4;
    Table<double> targets(ranks, std::vector<double>(columns));
    std::vector<uint32_t> sums(columns);
    for (size_t c = 0; c < columns; ++c) {
      sums[c] = random() % 40;
      double total = 0;
      std::vector<double> weights(ranks);
      for (double& w : weights) total += w = 1 + random() % 100;
      for (size_t r = 0; r < ranks; ++r) {
        targets[r][c] = sums[c] * weights[r] / total;
      }
    }
    const Table<uint32_t> counts = RoundTable(targets);
    for (size_t c = 0; c < columns; ++c) {
      uint32_t sum = 0;
      for (size_t r = 0; r < ranks; ++r) {
        EXPECT_LT(std::abs(counts[r][c] - targets[r][c]), 1.0);
        sum += counts[r][c];
      }
      EXPECT_EQ(sum, sums[c]);
    }
    for (size_t r = 0; r < ranks; ++r) {
      const double target =
          std::accumulate(targets[r].begin(), targets[r].end(), 0.0);
      const double count =
          std::accumulate(counts[r].begin(), counts[r].end(), 0.0);
      EXPECT_LT(std::abs(count - target), 1.0 + 1e-6) << "rank " << r;
    }
  }
}

// Rows 0 and 1 compete for one column, 2 and 3 for the other: one of each must
// be rounded up, though all remainders are alike.
TEST(RoundTableTest, FindsARoundingWhereTheFirstComeWouldBlockTheOthers) {
  const Table<uint32_t> counts =
      RoundTable({{0.5, 0}, {0.5, 0}, {0, 0.5}, {0, 0.5}});
  EXPECT_EQ(counts[0][0] + counts[1][0], 1u);
  EXPECT_EQ(counts[2][1] + counts[3][1], 1u);
}

TEST(RoundTableTest, LeavesWholeNumbersAlone) {
  EXPECT_THAT(RoundTable({{0.1 * 3 * 10, 1}, {7, 0}}),
              ElementsAre(ElementsAre(3, 1), ElementsAre(7, 0)));
}

TEST(RaiseSmallTest, RaisesSmallOnesAndKeepsTheSum) {
  const std::vector<double> raised = RaiseSmall({0.9, 0.09, 0.01, 0}, 0.1);
  EXPECT_NEAR(raised[0], 0.8, 1e-12);
  EXPECT_NEAR(raised[1], 0.1, 1e-12);
  EXPECT_NEAR(raised[2], 0.1, 1e-12);
  EXPECT_EQ(raised[3], 0);
}

TEST(RaiseSmallTest, LeavesAllAsTheyAreWhereThereIsNotEnough) {
  const std::vector<double> fractions = {0.5, 0.3, 0.2};
  EXPECT_EQ(RaiseSmall(fractions, 0.4), fractions);
}

TEST(CutInProportionTest, GivesEachPartOneAtLeast) {
  EXPECT_THAT(CutInProportion(4, {1000, 1, 1}), ElementsAre(2, 1, 1));
  EXPECT_THAT(CutInProportion(3, {1, 1, 1}), ElementsAre(1, 1, 1));
  EXPECT_THAT(CutInProportion(12, {1, 2, 3}), ElementsAre(2, 4, 6));
}

TEST(SpreadEvenlyTest, KeepsTotalsFillsGroupsAndGivesEachItsPace) {
  const std::vector<uint32_t> sizes(10, 4);
  const Table<uint32_t> counts = SpreadEvenly(sizes, {20, 10, 7, 3});
  std::vector<uint32_t> totals(4, 0);
  for (const auto& group : counts) {
    EXPECT_EQ(std::accumulate(group.begin(), group.end(), 0u), 4u);
    for (size_t r = 0; r < 4; ++r) totals[r] += group[r];
    EXPECT_EQ(group[0], 2u);
    EXPECT_LE(group[3], 1u);
  }
  EXPECT_THAT(totals, ElementsAre(20, 10, 7, 3));
}

}  // namespace
}  // namespace shoal::parallel

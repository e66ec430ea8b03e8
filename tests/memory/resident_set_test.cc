#include "memory/resident_set.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "gtest/gtest.h"

namespace shoal::memory {
namespace {

struct Tally {
  uint64_t resident = 0;
  uint64_t smallest_streamed = UINT64_MAX;
};

Tally TallyOf(const std::vector<uint64_t>& bytes,
              const std::vector<bool>& resident) {
  Tally tally;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (resident[i]) {
      tally.resident += bytes[i];
    } else {
      tally.smallest_streamed = std::min(tally.smallest_streamed, bytes[i]);
    }
  }
  return tally;
}

std::vector<uint64_t> RandomUnits() {
  std::mt19937 random(3);
  std::vector<uint64_t> bytes(200);
  for (uint64_t& b : bytes) b = 4096 * (1 + random() % 50);
  return bytes;
}

TEST(ResidentSetTest, KeepsEverythingThatFitsAndNothingWithoutBudget) {
  const std::vector<uint64_t> bytes = {10, 20, 30};
  EXPECT_EQ(ChooseResidents(bytes, 60), std::vector<bool>(3, true));
  EXPECT_EQ(ChooseResidents(bytes, 9), std::vector<bool>(3, false));
  EXPECT_TRUE(ChooseResidents({}, 9).empty());
}

TEST(ResidentSetTest, StaysBelowTheBudgetAndLeavesOutNothingThatFits) {
  const std::vector<uint64_t> bytes = RandomUnits();
  const uint64_t total =
      std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
  for (int percent = 0; percent < 100; ++percent) {
    const uint64_t budget = total * percent / 100;
    const Tally tally = TallyOf(bytes, ChooseResidents(bytes, budget));
    EXPECT_LE(tally.resident, budget);
    EXPECT_GT(tally.resident + tally.smallest_streamed, budget) << percent;
  }
}

TEST(ResidentSetTest, EveryStretchHasItsPartOfTheResidents) {
  const std::vector<uint64_t> bytes = RandomUnits();
  const uint64_t total =
      std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
  const double largest =
      static_cast<double>(*std::max_element(bytes.begin(), bytes.end()));
  for (const double part : {0.1, 0.33, 0.5, 0.8, 0.95}) {
    const std::vector<bool> resident = ChooseResidents(
        bytes, static_cast<uint64_t>(part * static_cast<double>(total)));
    for (size_t first = 0; first < bytes.size(); ++first) {
      double seen = 0;
      double kept = 0;
      for (size_t i = first; i < bytes.size(); ++i) {
        seen += static_cast<double>(bytes[i]);
        if (resident[i]) kept += static_cast<double>(bytes[i]);
        ASSERT_NEAR(kept, part * seen, 2 * largest)
            << "from " << first << " to " << i << " part " << part;
      }
    }
  }
}

TEST(ResidentSetTest, ALowerBudgetOnlyTakesAwayAndAHigherOnlyAdds) {
  const std::vector<uint64_t> bytes = RandomUnits();
  const uint64_t total =
      std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
  std::vector<bool> resident = ChooseResidents(bytes, total / 2);
  for (const int percent : {40, 39, 5, 0, 60, 61, 100, 70, 100}) {
    const std::vector<bool> before = resident;
    const uint64_t budget = total * percent / 100;
    const bool shrinks = TallyOf(bytes, before).resident > budget;
    resident = ChangeResidents(bytes, before, budget);
    EXPECT_LE(TallyOf(bytes, resident).resident, budget) << percent;
    for (size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_TRUE(shrinks ? before[i] || !resident[i]
                          : resident[i] || !before[i])
          << "unit " << i << " at " << percent << " percent";
    }
    const Tally tally = TallyOf(bytes, resident);
    const uint64_t largest = *std::max_element(bytes.begin(), bytes.end());
    EXPECT_GT(tally.resident + largest, budget) << percent;
  }
  EXPECT_EQ(resident, std::vector<bool>(bytes.size(), true));
}

TEST(ResidentSetTest, WhatStaysAfterAChangeIsSpreadEvenly) {
  const std::vector<uint64_t> bytes(120, 4096);
  std::vector<bool> resident = ChooseResidents(bytes, 60 * 4096);
  for (const uint64_t units : {30, 12, 60, 90}) {
    resident = ChangeResidents(bytes, resident, units * 4096);
    for (size_t begin = 0; begin < bytes.size(); begin += 40) {
      const auto count = std::count(resident.begin() + begin,
                                    resident.begin() + begin + 40, true);
      EXPECT_NEAR(static_cast<double>(count), units / 3.0, 2.0) << units;
    }
  }
}

}  // namespace
}  // namespace shoal::memory

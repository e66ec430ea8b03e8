// What the planner makes of budgets: shares, context and chunk.

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "parallel/memory_fit.h"
#include "parallel/planner.h"
#include "tests/parallel/plan_case.h"

namespace shoal::parallel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(PlannerMemoryTest, ResidentGivesAShortRankWhatFitsAndSaysSo) {
  Case c({}, {1e9, 1e9, 1e9});
  c.request.options.weights = WeightsMode::kResident;
  c.request.devices[2].fixed_bytes = base::kMiB;
  c.request.devices[2].budget_bytes = base::kMiB + 900 * base::kKiB;
  const Plan plan = c.MustPlan();
  const auto counts = UnitCounts(plan);
  EXPECT_GE(counts[2], 8u);
  EXPECT_LT(counts[2], 40u);
  EXPECT_NEAR(static_cast<double>(counts[0]), counts[1], 2.0);
  EXPECT_LE(c.FloorOfRank(plan, 2), c.request.devices[2].budget_bytes);
  ASSERT_THAT(plan.notes, SizeIs(1));
  EXPECT_THAT(plan.notes[0],
              HasSubstr(absl::StrCat("rank 2 (dev2) is short of memory (1.9 "
                                     "MiB): ",
                                     counts[2], " units instead of 39")));
}

TEST(PlannerMemoryTest, ResidentGivesARankWithoutRoomNothing) {
  Case c({}, {1e9, 1e9});
  c.request.options.weights = WeightsMode::kResident;
  c.request.devices[1].budget_bytes = 90 * base::kKiB;
  EXPECT_THAT(UnitCounts(c.MustPlan()), ElementsAre(120, 0));
}

TEST(PlannerMemoryTest, ACoordinatorShortOfMemoryGivesLayersAwayButNotTheHead) {
  Case c({}, {1e9, 1e9});
  c.request.options.weights = WeightsMode::kResident;
  c.request.head = HeadPlacement::kCoordinator;
  c.request.chunk_tokens = 1;
  const Plan wanted = c.MustPlan();
  const MemoryNeed need =
      NeedOf(wanted, 0, c.units, c.request.dimensions, c.request.options);
  const uint64_t unit = 40960;
  const uint64_t least = need.base() + 16 * unit;
  c.request.devices[0].budget_bytes = least + 20 * unit;
  const Plan plan = c.MustPlan();
  EXPECT_EQ(HeadUnitsByRank(c, plan), (std::map<uint32_t, uint32_t>{{0, 16}}));
  EXPECT_LT(plan.UnitsOf(0).size(), wanted.UnitsOf(0).size());
  EXPECT_LE(c.FloorOfRank(plan, 0), c.request.devices[0].budget_bytes);
  // Less than the head: an error at once, that names the rank.
  c.request.devices[0].budget_bytes = 10 * unit;
  const auto refused = MakePlan(c.request);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("dev0"));
}

TEST(PlannerMemoryTest, ResidentThatFitsNowhereNamesTheDeviceAndTheShortfall) {
  Case c({}, {1e9, 1e9});
  c.request.options.weights = WeightsMode::kResident;
  for (auto& device : c.request.devices) device.budget_bytes = 2 * base::kMiB;
  const std::string error = c.Refusal(absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(error, HasSubstr("rank "));
  EXPECT_THAT(error, HasSubstr("budget of"));
  EXPECT_THAT(error, HasSubstr("are missing"));
  EXPECT_THAT(error, HasSubstr("--weights auto"));
}

TEST(PlannerMemoryTest, ResidentFillsManyRandomFleetsWithinTheirBudgets) {
  int planned = 0;
  for (int seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    std::vector<double> rates(1 + random() % 6);
    for (double& rate : rates) rate = 1 + random() % 8;
    Case c({}, rates);
    c.request.options.weights = WeightsMode::kResident;
    for (auto& device : c.request.devices) {
      device.budget_bytes = (200 + random() % 6000) * base::kKiB;
    }
    const auto plan = MakePlan(c.request);
    if (!plan.ok()) {
      EXPECT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted);
      continue;
    }
    ++planned;
    ASSERT_TRUE(ValidatePlan(*plan, c.units).ok());
    for (uint32_t r = 0; r < rates.size(); ++r) {
      EXPECT_LE(c.FloorOfRank(*plan, r), c.request.devices[r].budget_bytes);
    }
  }
  EXPECT_GT(planned, 50);
}

TEST(PlannerMemoryTest, StreamNeedsTheFloorExactly) {
  for (const WeightsMode mode : {WeightsMode::kStream, WeightsMode::kAuto}) {
    Case c({}, {1e9, 1e9});
    c.request.options.weights = mode;
    c.request.devices[1].fixed_bytes = base::kMiB;
    const uint64_t floor = c.FloorOfRank(c.MustPlan(), 1);
    c.request.devices[1].budget_bytes = floor;
    const Plan plan = c.MustPlan();
    EXPECT_EQ(plan.chunk_tokens, 1u);
    EXPECT_THAT(plan.notes, IsEmpty());
    // With one byte less KV has to go elsewhere; with hardly anything left,
    // no placement helps.
    c.request.devices[1].budget_bytes = base::kMiB + 50 * base::kKiB;
    const std::string error = c.Refusal(absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(error, HasSubstr("rank 1 (dev1) has a budget of 1"));
    EXPECT_THAT(error, HasSubstr("its floor is"));
    EXPECT_THAT(error, HasSubstr("are missing"));
    EXPECT_THAT(error, HasSubstr("--memory"));
  }
}

TEST(PlannerMemoryTest, StreamGivesARankWithoutRoomForKvFewerAttentionUnits) {
  Case c({}, {1e9, 1e9});
  c.request.options.weights = WeightsMode::kStream;
  const uint64_t floor = c.FloorOfRank(c.MustPlan(), 1);
  // Without the KV of four of its eight attention units.
  c.request.devices[1].budget_bytes = floor - 4 * 512 * 128 * 2;
  const Plan plan = c.MustPlan();
  EXPECT_EQ(CountOf(plan, c.units, 1, 0, 4, base::UnitKind::kAttention), 4);
  EXPECT_EQ(CountOf(plan, c.units, 1, 0, 4, base::UnitKind::kFfn), 44);
  ASSERT_THAT(plan.notes, SizeIs(1));
  EXPECT_THAT(plan.notes[0], HasSubstr("rank 1 (dev1) is short of memory"));
}

TEST(PlannerMemoryTest, AnErrorNamesAContextThatWouldFit) {
  Case c({.kv_elements = 4096}, {1e9});
  c.request.options.weights = WeightsMode::kStream;
  c.request.devices[0].budget_bytes = 100 * base::kMiB;
  c.request.options.context_positions = 4096;
  const std::string error = c.Refusal(absl::StatusCode::kResourceExhausted);
  const size_t at = error.find("--ctx ");
  ASSERT_NE(at, std::string::npos) << error;
  c.request.options.context_positions = std::stoi(error.substr(at + 6));
  EXPECT_GT(c.request.options.context_positions, 400u);
  EXPECT_TRUE(MakePlan(c.request).ok());
  c.request.options.context_positions += 32;
  EXPECT_FALSE(MakePlan(c.request).ok());
}

// What an error proposes for the KV works, as a user would type it.
class PlannerKvTest : public ::testing::Test {
 protected:
  PlannerKvTest() : c_({.kv_elements = 4096}, {1e9}) {
    c_.request.options.weights = WeightsMode::kStream;
    c_.request.devices[0].budget_bytes = 100 * base::kMiB;
  }

  // 4 layers of 4 units: 64 Ki elements, of which q8 takes 68 KiB a position.
  std::string Refusal(uint32_t positions, KvFormat kv) {
    c_.request.options.context_positions = positions;
    c_.request.options.kv = kv;
    return c_.Refusal(absl::StatusCode::kResourceExhausted);
  }

  bool Works(uint32_t positions, KvFormat kv) {
    c_.request.options.context_positions = positions;
    c_.request.options.kv = kv;
    return MakePlan(c_.request).ok();
  }

  Case c_;
};

TEST_F(PlannerKvTest, ASmallerFormatIsNamedWhereItIsEnough) {
  EXPECT_THAT(Refusal(1024, KvFormat::kF16), HasSubstr("or use --kv q8"));
  EXPECT_TRUE(Works(1024, KvFormat::kQ8));
  EXPECT_THAT(Refusal(600, KvFormat::kF32), HasSubstr("or use --kv f16"));
  EXPECT_TRUE(Works(600, KvFormat::kF16));
  EXPECT_THAT(Refusal(1024, KvFormat::kF32), HasSubstr("or use --kv q8"));
}

TEST_F(PlannerKvTest, Q8IsNamedWithTheLongerContextThatItGives) {
  const std::string error = Refusal(1 << 20, KvFormat::kF16);
  const absl::string_view flags = "or use --kv q8 --ctx ";
  const size_t at = error.find(std::string(flags));
  ASSERT_NE(at, std::string::npos) << error;
  const auto positions =
      static_cast<uint32_t>(std::stoi(error.substr(at + flags.size())));
  EXPECT_GT(positions, 1200u);
  EXPECT_TRUE(Works(positions, KvFormat::kQ8));
  EXPECT_FALSE(Works(positions + 32, KvFormat::kQ8));
}

TEST_F(PlannerKvTest, NoFormatIsNamedIfTheKvIsInQ8) {
  EXPECT_THAT(Refusal(4096, KvFormat::kQ8), Not(HasSubstr("--kv")));
}

TEST(PlannerChunkTest, IsTheLargestThatTakesAnEighthOfEveryBudget) {
  Case c({}, {1e9, 1e9});
  EXPECT_EQ(c.MustPlan().chunk_tokens, 512u);
  c.request.devices[1].budget_bytes = 8 * base::kMiB;
  const Plan plan = c.MustPlan();
  const auto taken = [&](uint32_t chunk) {
    Plan other = plan;
    other.chunk_tokens = chunk;
    const MemoryNeed need =
        NeedOf(other, 1, c.units, c.request.dimensions, c.request.options);
    return need.activations + need.transport;
  };
  EXPECT_LE(taken(plan.chunk_tokens), base::kMiB);
  EXPECT_GT(taken(2 * plan.chunk_tokens), base::kMiB);
  c.request.chunk_tokens = 48;
  EXPECT_EQ(c.MustPlan().chunk_tokens, 48u);
}

TEST(PlannerChunkTest, TakesALongContextWhereNothingIsResident) {
  Case c({}, {1e9});
  c.request.options.context_positions = 3000;
  EXPECT_EQ(c.MustPlan().chunk_tokens, 512u);
  c.request.options.weights = WeightsMode::kStream;
  EXPECT_EQ(c.MustPlan().chunk_tokens, 2048u);
  c.request.devices[0].budget_bytes = 16 * base::kMiB;
  const Plan plan = c.MustPlan();
  const MemoryNeed need =
      NeedOf(plan, 0, c.units, c.request.dimensions, c.request.options);
  EXPECT_LE(need.activations + need.transport, 8 * base::kMiB);
  EXPECT_LE(FloorOf(c.request.devices[0], need, WeightsMode::kStream),
            16 * base::kMiB);
}

TEST(PlannerChunkTest, IsNotLongerThanTheContext) {
  Case c({}, {1e9});
  c.request.options.context_positions = 100;
  EXPECT_EQ(c.MustPlan().chunk_tokens, 64u);
}

}  // namespace
}  // namespace shoal::parallel

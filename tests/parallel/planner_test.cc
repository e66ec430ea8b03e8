#include "parallel/planner.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/parallel/plan_case.h"

namespace shoal::parallel {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(PlannerTest, GivesEveryRankItsPartOfEachStageToWithinOneUnit) {
  for (int seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    FakeShape shape;
    shape.layers = 1 + random() % 12;
    shape.kv_groups = 1 + random() % 8;
    shape.ffn_units = 4 + random() % 30;
    shape.head_units = 16 + random() % 16;
    std::vector<double> rates(1 + random() % 9);
    double sum = 0;
    for (double& rate : rates) sum += rate = 1 + random() % 8;
    const Case c(shape, rates);
    const Plan plan = c.MustPlan();
    const uint32_t layers = shape.layers;
    for (uint32_t r = 0; r < rates.size(); ++r) {
      const double part = rates[r] / sum;
      const auto off = [&](uint32_t begin, uint32_t end, base::UnitKind kind,
                           double all) {
        // A rank with less than one unit's worth is raised to one, at the
        // others' cost: not within the rule.
        return CountOf(plan, c.units, r, begin, end, kind) - part * all;
      };
      const double attention = layers * shape.kv_groups;
      const double ffn = layers * shape.ffn_units;
      bool raised = false;
      for (const double rate : rates) {
        raised |= rate / sum * (attention + ffn) < 1 ||
                  rate / sum * shape.head_units < 1;
      }
      if (raised) continue;
      EXPECT_LT(std::abs(off(0, layers, base::UnitKind::kHub, attention + ffn)),
                1 + 1e-6);
      EXPECT_LT(std::abs(off(0, layers, base::UnitKind::kAttention, attention)),
                1 + 1e-6);
      EXPECT_LT(std::abs(off(0, layers, base::UnitKind::kFfn, ffn)), 1 + 1e-6);
      EXPECT_LT(std::abs(off(layers, layers + 1, base::UnitKind::kHead,
                             shape.head_units)),
                1 + 1e-6);
    }
    EXPECT_THAT(UnitCounts(plan), Each(::testing::Gt(0u)));
  }
}

TEST(PlannerTest, RangesFollowTheOrderOfRanksWithinALayerPhaseAndKind) {
  for (int seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    std::vector<double> rates(2 + random() % 8);
    for (double& rate : rates) rate = 1 + random() % 8;
    const Case c({}, rates);
    const Plan plan = c.MustPlan();
    std::map<std::tuple<uint32_t, uint32_t, base::UnitKind>, uint32_t> last;
    for (const UnitRange& range : plan.ranges) {
      const base::UnitId& id = c.units[range.begin].id;
      const auto group = std::tuple(id.layer, id.phase, id.kind);
      if (last.contains(group)) {
        EXPECT_GT(range.rank, last[group]);
      }
      last[group] = range.rank;
    }
  }
}

TEST(PlannerTest, HalfTheRateGetsHalfTheUnits) {
  const Case c({}, {2e9, 1e9});
  const Plan plan = c.MustPlan();
  const auto counts = UnitCounts(plan);
  EXPECT_NEAR(counts[0] / 2.0, counts[1], 1.0);
}

TEST(PlannerTest, SevenRanksOnOneKvHeadShareTheLayers) {
  FakeShape shape;
  shape.layers = 22;
  shape.kv_groups = 1;
  const Case c(shape, std::vector<double>(7, 1e9));
  const Plan plan = c.MustPlan();
  for (uint32_t r = 0; r < 7; ++r) {
    const double attention =
        CountOf(plan, c.units, r, 0, 22, base::UnitKind::kAttention);
    EXPECT_GE(attention, 3) << "rank " << r;
    EXPECT_LE(attention, 4) << "rank " << r;
  }
}

TEST(PlannerTest, ARankTooSlowForOneUnitStillHasOne) {
  const Case c({}, {1e12, 1e12, 1});
  const Plan plan = c.MustPlan();
  EXPECT_THAT(UnitCounts(plan), Each(::testing::Gt(0u)));
}

TEST(PlannerTest, MoreRanksThanUnitsLeaveSomeWithoutAny) {
  FakeShape shape;
  shape.layers = 1;
  shape.kv_groups = 1;
  shape.ffn_units = 1;
  shape.head_units = 1;
  const Case c(shape, std::vector<double>(7, 1e9));
  const Plan plan = c.MustPlan();
  size_t sum = 0;
  for (const size_t count : UnitCounts(plan)) sum += count;
  EXPECT_EQ(sum, 3u);
}

TEST(PlannerTest, SharesOverruleRatesAndZeroMeansNoUnits) {
  Case c({}, {1e9, 5e9, 7e9});
  c.request.shares = {3, 1, 0};
  const auto counts = UnitCounts(c.MustPlan());
  EXPECT_NEAR(static_cast<double>(counts[0]), 120 * 0.75, 1.0);
  EXPECT_NEAR(static_cast<double>(counts[1]), 120 * 0.25, 1.0);
  EXPECT_EQ(counts[2], 0u);
}

TEST(PlannerTest, AMaxShareBoundsADeviceAndTheOthersTakeTheRest) {
  Case c({}, {1e9, 1e9, 8e9});
  c.request.devices[2].max_share = 0.25;
  const Plan plan = c.MustPlan();
  const auto counts = UnitCounts(plan);
  EXPECT_NEAR(static_cast<double>(counts[2]), 120 * 0.25, 1.0);
  EXPECT_NEAR(static_cast<double>(counts[0]), 120 * 0.375, 1.0);
  EXPECT_TRUE(plan.notes.empty());
  // All that is allowed together, exactly.
  for (auto& device : c.request.devices) device.max_share = 1.0 / 3;
  for (const size_t count : UnitCounts(c.MustPlan())) {
    EXPECT_NEAR(static_cast<double>(count), 40, 1.0);
  }
  for (auto& device : c.request.devices) device.max_share = 0.25;
  const auto refused = MakePlan(c.request);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("0.75 of the model at most"));
}

TEST(PlannerTest, ARankThatOnlyCoordinatesHasNoUnitsAndIsStillHub) {
  Case c({}, {1e9, 1e9});
  c.request.devices[0].computes = false;
  const Plan plan = c.MustPlan();
  EXPECT_THAT(UnitCounts(plan), ElementsAre(0, 120));
  EXPECT_EQ(plan.stages[0].hub, 0u);
}

TEST(PlannerTest, AHeadOnTheCoordinatorIsAllOfItWhateverTheShares) {
  for (const double share : {0.0, 0.1, 1.0}) {
    Case c({}, {1e9, 1e9, 1e9});
    c.request.shares = {share, 1, 1};
    EXPECT_GE(HeadUnitsByRank(c, c.MustPlan()).size(), 2u);
    c.request.head = HeadPlacement::kCoordinator;
    const Plan plan = c.MustPlan();
    EXPECT_EQ(HeadUnitsByRank(c, plan),
              (std::map<uint32_t, uint32_t>{{0, 16}}));
    // The layers are cut as ever.
    if (share == 0.0) {
      EXPECT_EQ(plan.UnitsOf(0).size(), 16u);
    }
    EXPECT_NEAR(static_cast<double>(plan.UnitsOf(1).size()),
                4 * 26 / (2 + share), 1.0);
  }
}

TEST(PlannerTest, StagesCutLayersByTheRatesOfTheirRanks) {
  FakeShape shape;
  shape.layers = 8;
  Case c(shape, {1e9, 2e9, 4e9, 5e9});
  c.request.tensor_parallel = 2;
  c.request.pipeline_parallel = 2;
  const Plan plan = c.MustPlan();
  ASSERT_THAT(plan.stages, SizeIs(3));
  EXPECT_EQ(plan.stages[0].layer_end, 2u);
  EXPECT_EQ(plan.stages[0].hub, 0u);
  EXPECT_EQ(plan.stages[1].layer_end, 8u);
  EXPECT_EQ(plan.stages[1].hub, 2u);
  EXPECT_EQ(plan.stages[2].hub, 0u);
  for (const UnitRange& range : plan.ranges) {
    const uint32_t layer = c.units[range.begin].id.layer;
    if (layer < 8) {
      EXPECT_EQ(range.rank / 2, layer < 2 ? 0u : 1u);
    }
  }
  // The head is on all ranks.
  EXPECT_EQ(CountOf(plan, c.units, 0, 8, 9, base::UnitKind::kHead), 1);
  EXPECT_EQ(CountOf(plan, c.units, 3, 8, 9, base::UnitKind::kHead), 7);
}

TEST(PlannerTest, StagesWithoutTpTakeAllDevices) {
  FakeShape shape;
  shape.layers = 3;
  Case c(shape, {1e9, 1e9, 1e9});
  c.request.pipeline_parallel = 3;
  EXPECT_THAT(c.MustPlan().stages, SizeIs(4));
}

TEST(PlannerTest, RefusesMoreStagesThanLayersWithBothNumbers) {
  Case c({.layers = 2}, {1, 1, 1});
  c.request.pipeline_parallel = 3;
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("3 stages, but the model has only 2 layers"));
}

TEST(PlannerTest, RefusesStagesThatDoNotMakeUpTheDevices) {
  Case c({}, {1, 1, 1});
  c.request.tensor_parallel = 2;
  c.request.pipeline_parallel = 2;
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("needs 4 devices, but there are 3"));
  c.request.tensor_parallel = 0;
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("but there are 3"));
}

TEST(PlannerTest, RefusesAStageWhoseRanksHaveNoShare) {
  Case c({}, {1, 1});
  c.request.pipeline_parallel = 2;
  c.request.shares = {1, 0};
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("no device of stage 1"));
}

TEST(PlannerTest, RefusesSharesThatAreNone) {
  Case c({}, {1, 1});
  c.request.shares = {1, 1, 1};
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("3 numbers, but there are 2 devices"));
  c.request.shares = {1, -1};
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("share of rank 1 (dev1) is -1"));
  c.request.shares = {0, 0};
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("at least one device must have a share"));
  c.request.shares = {1, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_THAT(c.Refusal(absl::StatusCode::kInvalidArgument), HasSubstr("nan"));
}

TEST(PlannerTest, RefusesNoDevicesNoUnitsAndAnEndlessChunk) {
  Case none({}, {});
  EXPECT_THAT(none.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("0 devices"));
  Case empty({}, {1});
  empty.request.units = {};
  EXPECT_THAT(empty.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("no units"));
  Case chunk({}, {1});
  chunk.request.chunk_tokens = 5000;
  EXPECT_THAT(chunk.Refusal(absl::StatusCode::kInvalidArgument),
              HasSubstr("chunk of 5000"));
}

TEST(PlannerTest, TheSameRequestGivesTheSamePlan) {
  Case c({}, {3, 1, 4, 1, 5});
  const Plan a = c.MustPlan();
  const Plan b = c.MustPlan();
  ASSERT_EQ(a.ranges.size(), b.ranges.size());
  for (size_t i = 0; i < a.ranges.size(); ++i) {
    EXPECT_EQ(a.ranges[i].rank, b.ranges[i].rank);
    EXPECT_EQ(a.ranges[i].begin, b.ranges[i].begin);
  }
}

}  // namespace
}  // namespace shoal::parallel

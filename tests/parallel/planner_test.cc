#include "parallel/planner.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "parallel/memory_fit.h"
#include "tests/parallel/fake_units.h"

namespace shoal::parallel {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A request that owns its units.
struct Case {
  explicit Case(const FakeShape& shape, std::vector<double> rates)
      : units(FakeUnits(shape)) {
    request.units = units;
    request.dimensions.hidden = 64;
    request.dimensions.vocabulary = 1000;
    request.dimensions.layer_count = shape.layers;
    request.dimensions.unit_scratch_floats = 96;
    for (size_t i = 0; i < rates.size(); ++i) {
      DeviceProfile device;
      device.name = absl::StrCat("dev", i);
      device.work_macs_per_second = rates[i];
      request.devices.push_back(device);
    }
  }
  Case(const Case&) = delete;

  uint64_t FloorOfRank(const Plan& plan, uint32_t rank) const {
    Plan small = plan;
    small.chunk_tokens = 1;
    return FloorOf(
        request.devices[rank],
        NeedOf(small, rank, units, request.dimensions, request.options),
        request.options.weights);
  }

  Plan MustPlan() const {
    auto plan = MakePlan(request);
    EXPECT_TRUE(plan.ok()) << plan.status();
    EXPECT_TRUE(ValidatePlan(*plan, units).ok()) << ValidatePlan(*plan, units);
    return *std::move(plan);
  }

  std::string Refusal(absl::StatusCode code) const {
    const auto plan = MakePlan(request);
    EXPECT_EQ(plan.status().code(), code);
    return std::string(plan.status().message());
  }

  std::vector<base::UnitSpec> units;
  PlanRequest request;
};

std::vector<size_t> UnitCounts(const Plan& plan) {
  std::vector<size_t> counts;
  for (uint32_t r = 0; r < plan.rank_count(); ++r) {
    counts.push_back(plan.UnitsOf(r).size());
  }
  return counts;
}

// Units of `rank` in layers [begin, end), of one kind or (kHub) of all.
double CountOf(const Plan& plan, const std::vector<base::UnitSpec>& units,
               uint32_t rank, uint32_t begin, uint32_t end,
               base::UnitKind kind) {
  double count = 0;
  for (const uint32_t unit : plan.UnitsOf(rank)) {
    const base::UnitId& id = units[unit].id;
    if (id.layer >= begin && id.layer < end &&
        (kind == base::UnitKind::kHub || id.kind == kind)) {
      ++count;
    }
  }
  return count;
}

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

TEST(PlannerTest, ARankThatOnlyCoordinatesHasNoUnitsAndIsStillHub) {
  Case c({}, {1e9, 1e9});
  c.request.devices[0].computes = false;
  const Plan plan = c.MustPlan();
  EXPECT_THAT(UnitCounts(plan), ElementsAre(0, 120));
  EXPECT_EQ(plan.stages[0].hub, 0u);
}

std::map<uint32_t, uint32_t> HeadUnitsByRank(const Case& c, const Plan& plan) {
  std::map<uint32_t, uint32_t> counts;
  for (const UnitRange& range : plan.ranges) {
    if (c.units[range.begin].id.kind == base::UnitKind::kHead) {
      counts[range.rank] += range.end - range.begin;
    }
  }
  return counts;
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

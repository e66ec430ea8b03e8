#include "parallel/plan.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/parallel/fake_units.h"

namespace shoal::parallel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two layers of: hub, 2 attention, 3 ffn; then hub, 2 head. Units 0 to 14.
std::vector<base::UnitSpec> Units() {
  return FakeUnits(
      {.layers = 2, .kv_groups = 2, .ffn_units = 3, .head_units = 2});
}

Plan TwoRanks() {
  Plan plan;
  plan.device_names = {"desk", "pi"};
  plan.stages = {{0, 0, 1}, {1, 1, 2}, {0, 2, 3}};
  plan.ranges = {{0, 1, 3},  {0, 3, 4},   {1, 4, 6},  {1, 7, 9},
                 {0, 9, 12}, {0, 13, 14}, {1, 14, 15}};
  plan.chunk_tokens = 8;
  return plan;
}

TEST(PlanTest, ListsTheUnitsOfARankInExecutionOrder) {
  EXPECT_THAT(TwoRanks().UnitsOf(1), ElementsAre(4, 5, 7, 8, 14));
  EXPECT_THAT(TwoRanks().UnitsOf(5), ElementsAre());
}

TEST(PlanTest, FindsTheStageOfALayerAndOfTheHead) {
  EXPECT_EQ(TwoRanks().StageOf(0), 0u);
  EXPECT_EQ(TwoRanks().StageOf(1), 1u);
  EXPECT_EQ(TwoRanks().StageOf(2), 2u);
}

TEST(ValidatePlanTest, TakesAValidPlan) {
  EXPECT_TRUE(ValidatePlan(TwoRanks(), Units()).ok());
}

struct Broken {
  std::string expected;
  std::function<void(Plan&)> change;
};

TEST(ValidatePlanTest, RefusesWhatIsNotAPlanForTheseUnits) {
  const std::vector<Broken> cases = {
      {"0 ranks", [](Plan& p) { p.device_names.clear(); }},
      {"chunk of 0", [](Plan& p) { p.chunk_tokens = 0; }},
      {"chunk of 4097", [](Plan& p) { p.chunk_tokens = 4097; }},
      {"0 stages", [](Plan& p) { p.stages.clear(); }},
      {"must begin at layer 0", [](Plan& p) { p.stages[0].layer_begin = 1; }},
      {"at least one layer", [](Plan& p) { p.stages[1].layer_end = 1; }},
      {"hub of stage 1 is rank 2", [](Plan& p) { p.stages[1].hub = 2; }},
      {"hold layers [0, 2)", [](Plan& p) { p.stages.pop_back(); }},
      {"must be the head alone", [](Plan& p) { p.stages[2].hub = 1; }},
      {"must be the head alone",
       [](Plan& p) {
         p.stages.pop_back();
         p.stages[1].layer_end = 3;
       }},
      {"is not within", [](Plan& p) { p.ranges.back().end = 16; }},
      {"or empty", [](Plan& p) { p.ranges[0].end = 1; }},
      {"is of rank 2", [](Plan& p) { p.ranges[0].rank = 2; }},
      {"one layer, phase and kind", [](Plan& p) { p.ranges[0].end = 4; }},
      {"holds a hub unit",
       [](Plan& p) {
         p.ranges[0] = {0, 0, 1};
       }},
      {"begins before unit 4", [](Plan& p) { p.ranges[2].begin = 3; }},
      {"no rank has layer 1 attention 0",
       [](Plan& p) { p.ranges[3].begin = 8; }},
      {"no rank has layer 2 head 1", [](Plan& p) { p.ranges.pop_back(); }},
  };
  for (const Broken& broken : cases) {
    Plan plan = TwoRanks();
    broken.change(plan);
    const absl::Status status = ValidatePlan(plan, Units());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(broken.expected));
  }
}

TEST(ValidatePlanTest, RefusesAnyPlanForNoUnits) {
  EXPECT_EQ(ValidatePlan(TwoRanks(), {}).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal::parallel

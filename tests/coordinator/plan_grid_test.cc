#include "coordinator/plan_grid.h"

#include <vector>

#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

using base::UnitKind;

// Two layers of four units with work 10 each, and a head of two with 100.
std::vector<base::UnitSpec> Units() {
  std::vector<base::UnitSpec> units;
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint32_t i = 0; i < 4; ++i) {
      units.push_back({{layer, 0, UnitKind::kFfn, 0, i}, 1000, 10});
    }
  }
  for (uint32_t i = 0; i < 2; ++i) {
    units.push_back({{2, 0, UnitKind::kHead, 0, i}, 5000, 100});
  }
  return units;
}

TEST(PlanGridTest, ARankHasACellInEveryStageThatItHasUnitsIn) {
  parallel::Plan plan;
  plan.device_names = {"a", "b"};
  plan.stages = {{0, 0, 2}, {0, 2, 3}};
  plan.ranges = {{0, 0, 1}, {1, 1, 4}, {0, 4, 5}, {1, 5, 8}, {0, 8, 10}};
  const PlanGrid grid = GridOf(plan, Units());
  ASSERT_EQ(grid.cells.size(), 3u);
  EXPECT_EQ(grid.cells[0].stage, 0u);
  EXPECT_EQ(grid.cells[0].rank, 0u);
  EXPECT_EQ(grid.cells[0].unit_count, 2u);
  EXPECT_EQ(grid.cells[0].bytes, 2000u);
  EXPECT_DOUBLE_EQ(grid.cells[0].share, 0.25);
  EXPECT_TRUE(grid.cells[0].is_hub);
  EXPECT_EQ(grid.cells[1].rank, 1u);
  EXPECT_EQ(grid.cells[1].unit_count, 6u);
  EXPECT_FALSE(grid.cells[1].is_hub);
  EXPECT_EQ(grid.cells[2].stage, 1u);
  EXPECT_DOUBLE_EQ(grid.cells[2].share, 1);
}

TEST(PlanGridTest, TheHeadIsTheMainStageOnlyOfWhoHasNoOther) {
  parallel::Plan plan;
  plan.device_names = {"a", "b", "c"};
  plan.stages = {{1, 0, 1}, {2, 1, 2}, {0, 2, 3}};
  // The head has most of the work, and rank 0 has nothing else.
  plan.ranges = {{1, 0, 4}, {2, 4, 8}, {0, 8, 9}, {1, 9, 10}};
  const PlanGrid grid = GridOf(plan, Units());
  EXPECT_EQ(grid.main_stage, (std::vector<uint32_t>{2, 0, 1}));
}

TEST(PlanGridTest, AHubWithoutUnitsHasACell) {
  parallel::Plan plan;
  plan.device_names = {"a", "b"};
  plan.stages = {{0, 0, 2}, {0, 2, 3}};
  plan.ranges = {{1, 0, 4}, {1, 4, 8}, {1, 8, 10}};
  const PlanGrid grid = GridOf(plan, Units());
  ASSERT_EQ(grid.cells.size(), 4u);
  EXPECT_EQ(grid.cells[0].unit_count, 0u);
  EXPECT_TRUE(grid.cells[0].is_hub);
}

}  // namespace
}  // namespace shoal::coordinator

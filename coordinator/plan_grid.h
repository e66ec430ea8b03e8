// A plan as a table of stages and ranks.

#ifndef SHOAL_COORDINATOR_PLAN_GRID_H_
#define SHOAL_COORDINATOR_PLAN_GRID_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/unit.h"
#include "parallel/plan.h"

namespace shoal::coordinator {

struct GridCell {
  uint32_t stage = 0;
  uint32_t rank = 0;
  uint32_t unit_count = 0;
  uint64_t bytes = 0;
  double share = 0;  // of the stage's multiplications, 0 to 1
  bool is_hub = false;
};

struct PlanGrid {
  std::vector<GridCell> cells;  // by stage, then by rank; of hubs, too
  // By rank: the stage in which it works most, the head's only if it has no
  // other; its group for SplitToken().
  std::vector<uint32_t> main_stage;
};

// `units` of the model, in execution order; REQUIRES: the plan is valid.
PlanGrid GridOf(const parallel::Plan& plan,
                std::span<const base::UnitSpec> units);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_PLAN_GRID_H_

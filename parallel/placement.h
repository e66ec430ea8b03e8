// Units to ranks, given what each rank shall have; knows nothing of devices.

#ifndef SHOAL_PARALLEL_PLACEMENT_H_
#define SHOAL_PARALLEL_PLACEMENT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/unit.h"
#include "parallel/plan.h"

namespace shoal::parallel {

// What the ranks shall have of one stage.
struct StageShares {
  uint32_t layer_begin = 0;
  uint32_t layer_end = 0;
  // By rank, over all ranks of the plan, each with the sum 1. Units with KV
  // have their own column, because KV can be what a device has no room for.
  std::vector<double> kv_units;
  std::vector<double> other_units;
};

// The ranges of the stage's units, ascending. Over the stage each rank's total
// is within one unit of its shares, and so is its number of each kind; the
// layers get them evenly; within a layer, phase and kind the ranges follow the
// order of ranks. A rank with a positive share has a unit, if there are as many
// units as such ranks.
std::vector<UnitRange> PlaceStage(std::span<const base::UnitSpec> units,
                                  const StageShares& shares);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_PLACEMENT_H_

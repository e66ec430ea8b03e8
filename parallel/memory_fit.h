// Whether the ranks of a plan have the memory for it, and what to say if not.

#ifndef SHOAL_PARALLEL_MEMORY_FIT_H_
#define SHOAL_PARALLEL_MEMORY_FIT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "parallel/memory_need.h"
#include "parallel/plan.h"
#include "parallel/planner.h"

namespace shoal::parallel {

// "rank 2 (pi3)".
std::string RankName(const PlanRequest& request, uint32_t rank);

// The rank's budget; no limit if none is known.
uint64_t BudgetOf(const DeviceProfile& device);

// The least that the rank's process works with: for --weights resident with
// all its units in memory, else with the smallest window.
uint64_t FloorOf(const DeviceProfile& device, const MemoryNeed& need,
                 WeightsMode weights);

// kResourceExhausted: the rank's floor, its parts, the shortfall and what would
// fit. REQUIRES: the rank is short.
absl::Status ShortOfMemory(const PlanRequest& request, const Plan& plan,
                           uint32_t rank);

// kResourceExhausted: all devices together cannot hold the model in memory.
absl::Status FleetTooSmall(const PlanRequest& request, const Plan& plan);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_MEMORY_FIT_H_

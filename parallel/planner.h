// Makes a plan for a model on a set of devices.

#ifndef SHOAL_PARALLEL_PLANNER_H_
#define SHOAL_PARALLEL_PLANNER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unit.h"
#include "parallel/memory_need.h"
#include "parallel/plan.h"
#include "parallel/rank.h"

namespace shoal::parallel {

// What the planner knows of a device. Rank 0 is the coordinator's.
struct DeviceProfile {
  std::string name;
  double work_macs_per_second = 1e9;  // matrix-vector, weights beyond the cache
  double disk_bytes_per_second = 1e9;
  uint64_t budget_bytes = 0;  // for the whole process
  uint64_t fixed_bytes = 0;   // what the program takes without a model
  uint32_t threads = 1;
  bool computes = true;  // false: rank 0 that only coordinates
  double max_share = 1;  // of all units at most; above 0
};

// Where the vocabulary units lie.
enum class HeadPlacement : uint8_t {
  kSharded,      // on all ranks, as their shares are
  kCoordinator,  // on rank 0 alone, whatever its share; logits stay there
};

struct PlanRequest {
  std::span<const base::UnitSpec> units;  // in execution order, borrowed
  ModelDimensions dimensions;
  std::vector<DeviceProfile> devices;  // by rank, at least one
  RunOptions options;
  Payload payload = Payload::kF64;
  Collective collective = Collective::kFusedStar;
  HeadPlacement head = HeadPlacement::kSharded;
  // Stages of `tensor_parallel` ranks each; their product is the number of
  // devices. 0: one stage of all devices.
  uint32_t tensor_parallel = 0;
  uint32_t pipeline_parallel = 0;
  // Relative shares by rank; empty: by profile.
  std::vector<double> shares;
  uint32_t chunk_tokens = 0;  // 0: from the budgets
};

// Gives every rank units in proportion to its share or rate, to within one
// unit over the whole of a stage; with --weights resident also no more than
// its memory holds. Deterministic.
// Errors: kInvalidArgument    no devices, max_share of all below 1, more stages
// than layers, tp x pp is
//                             not the number of devices, shares negative or
//                             all zero or of another count
//         kResourceExhausted  it does not fit: names the device, its floor,
//                             the shortfall, and what would fit
absl::StatusOr<Plan> MakePlan(const PlanRequest& request);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_PLANNER_H_

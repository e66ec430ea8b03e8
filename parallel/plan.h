// Who computes what: ranks, stages, and the units of each rank.

#ifndef SHOAL_PARALLEL_PLAN_H_
#define SHOAL_PARALLEL_PLAN_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/unit.h"

namespace shoal::parallel {

inline constexpr uint32_t kRankCountMax = 256;
inline constexpr uint32_t kChunkTokensMax = 4096;

// The form of partial sums between ranks.
enum class Payload : uint8_t {
  kF64,  // any number of ranks and any placement gives the same bits
  kF32,  // the same plan gives the same bits
};

// How a phase's results become the next phase's inputs.
enum class Collective : uint8_t {
  kStar,       // the hub sends the f32 residual; every rank norms and encodes
  kFusedStar,  // the hub norms and encodes once and sends that
};

// A run of layers [layer_begin, layer_end) with its hub: the rank that owns
// the residual there. The last stage of a plan is the head's: its one "layer"
// is the model's layer_count, its hub rank 0.
struct StagePlan {
  uint32_t hub = 0;
  uint32_t layer_begin = 0;
  uint32_t layer_end = 0;
};

// Units [begin, end) of the model's execution order, all of one layer, phase
// and kind, on one rank.
struct UnitRange {
  uint32_t rank = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
};

struct Plan {
  uint64_t epoch = 0;
  std::vector<std::string> device_names;  // by rank
  std::vector<StagePlan> stages;
  // Ascending by `begin`, disjoint; together they hold every unit that is not
  // a hub unit. KeepsHubUnit() tells who keeps those.
  std::vector<UnitRange> ranges;
  Payload payload = Payload::kF64;
  Collective collective = Collective::kFusedStar;
  uint32_t chunk_tokens = 1;  // most tokens of one pass
  // What the planner wants the user to know ("rank 2 (pi3) is short of
  // memory: 3 of 5 units").
  std::vector<std::string> notes;

  uint32_t rank_count() const {
    return static_cast<uint32_t>(device_names.size());
  }
  // Units of `rank`, in execution order.
  std::vector<uint32_t> UnitsOf(uint32_t rank) const;
  // The stage that computes `layer`. REQUIRES: there is one.
  uint32_t StageOf(uint32_t layer) const;
};

// Whether `rank` keeps the hub unit `id`: vectors are kept by every rank,
// matrices (index 1) by the hub of their layer alone. False for other kinds.
bool KeepsHubUnit(const Plan& plan, uint32_t rank, const base::UnitId& id);

// A plan is foreign to a worker: checks that it is one for these units: stages
// adjoining and complete, ranges valid, disjoint and complete, ranks in range.
// Errors: kInvalidArgument  what is wrong and where
absl::Status ValidatePlan(const Plan& plan,
                          std::span<const base::UnitSpec> units);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_PLAN_H_

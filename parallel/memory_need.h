// How many bytes a rank needs for a plan: one calculation for the planner, the
// worker and the error message.

#ifndef SHOAL_PARALLEL_MEMORY_NEED_H_
#define SHOAL_PARALLEL_MEMORY_NEED_H_

#include <cstdint>
#include <span>

#include "base/model_dimensions.h"
#include "base/unit.h"
#include "parallel/plan.h"

namespace shoal::parallel {

enum class KvFormat : uint8_t;
struct RunOptions;

using ModelDimensions = base::ModelDimensions;

struct MemoryNeed {
  uint64_t kv = 0;
  uint64_t activations = 0;  // inputs, accumulators, scratch, residual, logits
  uint64_t transport = 0;    // frames in flight, the hub's receive buffers
  uint64_t hub_units = 0;    // norms and the like
  uint64_t share = 0;        // bytes of the rank's units, 4 KiB-aligned each
  uint64_t window_min = 0;   // smallest window that works; 0 without units

  // Everything but weights.
  uint64_t base() const { return kv + activations + transport + hub_units; }
};

// What `elements` keys and values of one position take that lie in `blocks`
// (base::UnitSpec).
uint64_t KvBytes(KvFormat format, uint64_t elements, uint64_t blocks);

// Positions that the KV pages of all sessions provide: whole pages.
uint64_t KvPositions(const RunOptions& options);

// REQUIRES: `plan` is valid for `units`; rank < plan.rank_count().
MemoryNeed NeedOf(const Plan& plan, uint32_t rank,
                  std::span<const base::UnitSpec> units,
                  const ModelDimensions& dimensions, const RunOptions& options);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_MEMORY_NEED_H_

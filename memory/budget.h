// Divides a device's byte budget.

#ifndef SHOAL_MEMORY_BUDGET_H_
#define SHOAL_MEMORY_BUDGET_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace shoal::memory {

enum class WeightsMode {
  kAuto,      // residents fill what the budget leaves
  kResident,  // everything in memory, or refused
  kStream,    // nothing resident, the window only
};

// All in bytes; weights with their padding.
struct BudgetRequest {
  WeightsMode mode = WeightsMode::kAuto;
  uint64_t budget_bytes = 0;        // for the whole process
  uint64_t fixed_bytes = 0;         // program, libraries, hub units, tokenizer
  uint64_t kv_bytes = 0;            // pages for the whole context
  uint64_t activation_bytes = 0;    // of a chunk
  uint64_t transport_bytes = 0;     // frames sent and received
  uint64_t share_bytes = 0;         // units of this rank
  uint64_t largest_unit_bytes = 0;  // the smallest window
  // Beyond this a window hides no more reading; the rest goes to residents.
  // 0: four of the largest units, at least 8 MiB; beside residents no more
  // than what does not fit in memory, at least two of the largest units.
  uint64_t window_bytes_wanted = 0;
};

struct BudgetSplit {
  uint64_t resident_bytes = 0;  // at most; as far as units allow
  uint64_t window_bytes = 0;    // 0: everything is resident
};

// With kAuto and kStream the window has what it wants where the budget allows,
// but with kAuto at most half of what is left for weights, and never less than
// the largest unit.
// Errors: kResourceExhausted  below the floor; names floor, shortfall, and
//                             what takes it
absl::StatusOr<BudgetSplit> SplitBudget(const BudgetRequest& request);

// The smallest budget that SplitBudget() accepts.
uint64_t FloorBytes(const BudgetRequest& request);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_BUDGET_H_

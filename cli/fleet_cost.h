// What a snapshot of a fleet tells of a token's cost.

#ifndef SHOAL_CLI_FLEET_COST_H_
#define SHOAL_CLI_FLEET_COST_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "parallel/token_model.h"
#include "proto/operator.pb.h"

namespace shoal::cli {

enum class CostSpan : uint8_t {
  kNow,    // of the last seconds
  kTotal,  // since the plan was loaded
};

struct MeasuredCost {
  parallel::FleetCost fleet;
  uint64_t tokens = 0;  // over which it is the mean
};

// Errors: kFailedPrecondition  no plan, no token yet (lately, for kNow), or not
//                              every device has reported: says which
absl::StatusOr<MeasuredCost> CostOf(const proto::FleetSnapshot& snapshot,
                                    CostSpan span);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLEET_COST_H_

// How long a token should take, by what the devices said of themselves.

#ifndef SHOAL_COORDINATOR_TOKEN_FORECAST_H_
#define SHOAL_COORDINATOR_TOKEN_FORECAST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/unit.h"
#include "parallel/plan.h"
#include "parallel/planner.h"

namespace shoal::coordinator {

// One rank of a plan that is loaded.
struct ForecastDevice {
  parallel::DeviceProfile profile;
  uint64_t share_bytes = 0;
  uint64_t resident_bytes = 0;  // of the share
  uint64_t window_bytes = 0;
  uint64_t kv_bytes = 0;
};

struct TokenForecast {
  // A rank takes as long as its multiplications or its disk, whichever is
  // longer; a stage as long as its slowest rank; a token all stages. Links
  // are left out: on slow ones a token takes longer.
  double ms_per_token = 0;
  // The rank that would be fastest if it had the whole model, streaming what
  // its memory does not hold; nothing for a plan of one rank.
  std::optional<uint32_t> best_single_rank;
  double best_single_ms = 0;
};

// `devices` by rank. Nothing where a device that computes does not know its
// rates. REQUIRES: the plan is valid for `units`, with as many ranks.
std::optional<TokenForecast> ForecastToken(
    const parallel::Plan& plan, std::span<const base::UnitSpec> units,
    std::span<const ForecastDevice> devices);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_TOKEN_FORECAST_H_

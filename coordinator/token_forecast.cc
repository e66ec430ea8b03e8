#include "coordinator/token_forecast.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::coordinator {
namespace {

// Of the longer of the two; nothing: a rate that is needed is not known.
std::optional<double> Milliseconds(const parallel::DeviceProfile& profile,
                                   double macs, double streamed_bytes) {
  if (macs > 0 && !(profile.work_macs_per_second > 0)) return std::nullopt;
  if (streamed_bytes > 0 && !(profile.disk_bytes_per_second > 0)) {
    return std::nullopt;
  }
  const double compute = macs > 0 ? macs / profile.work_macs_per_second : 0;
  const double disk =
      streamed_bytes > 0 ? streamed_bytes / profile.disk_bytes_per_second : 0;
  return 1000 * std::max(compute, disk);
}

// Multiplications by stage and rank.
std::vector<std::vector<double>> WorkOf(const parallel::Plan& plan,
                                        std::span<const base::UnitSpec> units) {
  std::vector<std::vector<double>> work(plan.stages.size(),
                                        std::vector<double>(plan.rank_count()));
  for (const parallel::UnitRange& range : plan.ranges) {
    auto& stage = work[plan.StageOf(units[range.begin].id.layer)];
    for (uint32_t unit = range.begin; unit < range.end; ++unit) {
      stage[range.rank] += static_cast<double>(units[unit].work_macs);
    }
  }
  return work;
}

double StreamedBytes(const ForecastDevice& device) {
  return static_cast<double>(
      device.share_bytes - std::min(device.share_bytes, device.resident_bytes));
}

void FindBestSingle(std::span<const ForecastDevice> devices, double all_macs,
                    TokenForecast& forecast) {
  uint64_t all_bytes = 0;
  uint64_t all_kv_bytes = 0;
  for (const ForecastDevice& device : devices) {
    all_bytes += device.share_bytes;
    all_kv_bytes += device.kv_bytes;
  }
  for (uint32_t rank = 0; rank < devices.size(); ++rank) {
    const ForecastDevice& device = devices[rank];
    if (!device.profile.computes) continue;
    const uint64_t taken =
        device.profile.fixed_bytes + all_kv_bytes + device.window_bytes;
    const uint64_t room = device.profile.budget_bytes -
                          std::min(device.profile.budget_bytes, taken);
    const auto ms = Milliseconds(
        device.profile, all_macs,
        static_cast<double>(all_bytes - std::min(all_bytes, room)));
    if (!ms || (forecast.best_single_rank && *ms >= forecast.best_single_ms)) {
      continue;
    }
    forecast.best_single_rank = rank;
    forecast.best_single_ms = *ms;
  }
}

}  // namespace

std::optional<TokenForecast> ForecastToken(
    const parallel::Plan& plan, std::span<const base::UnitSpec> units,
    std::span<const ForecastDevice> devices) {
  SHOAL_CHECK(devices.size() == plan.rank_count());
  const auto work = WorkOf(plan, units);
  std::vector<double> macs_of_rank(devices.size());
  double all_macs = 0;
  for (const auto& stage : work) {
    for (size_t rank = 0; rank < devices.size(); ++rank) {
      macs_of_rank[rank] += stage[rank];
      all_macs += stage[rank];
    }
  }
  TokenForecast forecast;
  for (const auto& stage : work) {
    double slowest_ms = 0;
    for (size_t rank = 0; rank < devices.size(); ++rank) {
      if (stage[rank] == 0) continue;
      // The disk reads for all stages of the rank, in proportion.
      const auto ms = Milliseconds(
          devices[rank].profile, stage[rank],
          StreamedBytes(devices[rank]) * stage[rank] / macs_of_rank[rank]);
      if (!ms) return std::nullopt;
      slowest_ms = std::max(slowest_ms, *ms);
    }
    forecast.ms_per_token += slowest_ms;
  }
  if (devices.size() > 1) FindBestSingle(devices, all_macs, forecast);
  return forecast;
}

}  // namespace shoal::coordinator

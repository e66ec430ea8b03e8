#include "cli/fleet_cost.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::cli {
namespace {

// Attention and feed-forward.
constexpr uint32_t kExchangesPerLayer = 2;

absl::Duration FromMilliseconds(double value) {
  return absl::Milliseconds(value);
}

// The stage in which a rank has most of its layers' units.
std::vector<uint32_t> StagesOf(const proto::FleetSnapshot& snapshot,
                               size_t rank_count, uint32_t stage_count) {
  std::vector<uint32_t> stages(rank_count);
  std::vector<uint64_t> most(rank_count);
  for (const proto::PlanCell& cell : snapshot.cells()) {
    if (cell.stage() >= stage_count || cell.rank() >= rank_count) continue;
    if (cell.bytes() <= most[cell.rank()]) continue;
    most[cell.rank()] = cell.bytes();
    stages[cell.rank()] = cell.stage();
  }
  return stages;
}

const proto::DeviceTokenTime* TimeOf(const proto::DeviceSnapshot& device,
                                     CostSpan span) {
  if (span == CostSpan::kNow) {
    return device.has_token_now() ? &device.token_now() : nullptr;
  }
  return device.has_token_total() ? &device.token_total() : nullptr;
}

parallel::DeviceCost DeviceCostOf(const proto::DeviceSnapshot& device,
                                  const proto::DeviceTokenTime& time) {
  parallel::DeviceCost cost;
  const proto::DeviceProfile& profile = device.status().profile();
  cost.name = profile.name();
  cost.compute = FromMilliseconds(time.compute_ms());
  cost.stall = FromMilliseconds(time.disk_ms());
  cost.exchange = FromMilliseconds(time.exchange_ms());
  cost.wait = FromMilliseconds(time.blocked_ms());
  if (device.has_round_trip_ms()) {
    cost.round_trip = FromMilliseconds(device.round_trip_ms());
  }
  cost.budget_bytes = device.budget_bytes();
  cost.peak_bytes = device.peak_rss_bytes();
  cost.share_bytes = device.share_bytes();
  cost.resident_bytes = std::min(device.resident_bytes(), device.share_bytes());
  cost.read_bytes = time.read_bytes();
  cost.disk_bytes_per_second = profile.disk_bytes_per_second();
  cost.macs_per_second = profile.work_macs_per_second();
  return cost;
}

}  // namespace

absl::StatusOr<MeasuredCost> CostOf(const proto::FleetSnapshot& snapshot,
                                    CostSpan span) {
  if (!snapshot.has_plan() || snapshot.plan().stages().empty()) {
    return absl::FailedPreconditionError(
        "no model is loaded; nothing to explain yet");
  }
  const proto::Plan& plan = snapshot.plan();
  const auto rank_count = static_cast<size_t>(plan.device_names_size());
  MeasuredCost cost;
  // The last stage is the head's.
  cost.fleet.stage_count =
      std::max(1u, static_cast<uint32_t>(plan.stages_size()) - 1);
  const std::vector<uint32_t> stages =
      StagesOf(snapshot, rank_count, cost.fleet.stage_count);
  cost.fleet.exchange_count = 1;
  for (uint32_t s = 0; s < cost.fleet.stage_count; ++s) {
    const proto::Plan::Stage& stage = plan.stages(static_cast<int>(s));
    cost.fleet.exchange_count +=
        kExchangesPerLayer * (stage.layer_end() - stage.layer_begin());
  }
  std::vector<const proto::DeviceTokenTime*> times(rank_count);
  cost.fleet.devices.resize(rank_count);
  for (const proto::DeviceSnapshot& device : snapshot.devices()) {
    if (!device.status().has_rank()) continue;
    const uint32_t rank = device.status().rank();
    const proto::DeviceTokenTime* time = TimeOf(device, span);
    if (rank >= rank_count || time == nullptr) continue;
    times[rank] = time;
    parallel::DeviceCost& to = cost.fleet.devices[rank];
    to = DeviceCostOf(device, *time);
    to.stage = stages[rank];
    to.is_hub = plan.stages(static_cast<int>(to.stage)).hub() == rank;
  }
  for (size_t r = 0; r < rank_count; ++r) {
    if (times[r] != nullptr) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        plan.device_names(static_cast<int>(r)), " has not told of a token ",
        span == CostSpan::kNow ? "lately" : "yet",
        "; explain tells where the time of tokens goes while, or after, some "
        "are generated"));
  }
  for (const proto::DeviceTokenTime* time : times) {
    const auto known =
        std::min(rank_count, static_cast<size_t>(time->waited_for_ms_size()));
    for (size_t r = 0; r < known; ++r) {
      cost.fleet.devices[r].awaited +=
          FromMilliseconds(time->waited_for_ms(static_cast<int>(r)));
    }
  }
  cost.tokens = times[0]->tokens();
  return cost;
}

}  // namespace shoal::cli

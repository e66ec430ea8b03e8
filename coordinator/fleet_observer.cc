#include "coordinator/fleet_observer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/byte_size.h"

namespace shoal::coordinator {
namespace {

constexpr size_t kTotalsMax = 64;
// Hot, and the clock is lowered: it throttles.
constexpr double kHotC = 75;
constexpr double kCoolC = 65;
constexpr double kLowClock = 0.75;  // of what it can be
constexpr double kBatteryLowPercent = 15;
constexpr double kBatteryFinePercent = 25;
// A token is late after the time of so many.
constexpr double kLateTokens = 3;

// Of the devices that have a rank, by rank.
std::vector<const DeviceFacts*> ByRank(const FleetFacts& facts) {
  std::vector<const DeviceFacts*> ranks(facts.plan->rank_count());
  for (const DeviceFacts& device : facts.devices) {
    const int32_t rank = device.state.rank;
    if (rank >= 0 && rank < static_cast<int32_t>(ranks.size())) {
      ranks[static_cast<size_t>(rank)] = &device;
    }
  }
  return ranks;
}

}  // namespace

void FleetObserver::Observe(const FleetFacts& facts) {
  NoteMembers(facts);
  NotePlan(facts);
  for (const DeviceFacts& device : facts.devices) {
    if (!device.report) continue;
    devices_[device.state.profile.name].history.Add(device.report_time,
                                                    *device.report);
  }
  NoteReports(facts);
  Split(facts);
  NoteStragglers(facts);
  NoteRefusals(facts);
  is_running_ = !facts.running.empty();
  if (totals_.empty() ||
      totals_.back().later_tokens != facts.totals.later_tokens) {
    if (totals_.size() == kTotalsMax) totals_.pop_front();
    totals_.push_back(facts.totals);
  }
}

void FleetObserver::NoteMembers(const FleetFacts& facts) {
  const absl::Time now = facts.time;
  std::set<std::string> here;
  for (const DeviceFacts& device : facts.devices) {
    here.insert(device.state.profile.name);
  }
  for (auto device = devices_.begin(); device != devices_.end();) {
    if (here.contains(device->first)) {
      ++device;
      continue;
    }
    lost_.push_back({device->first, now});
    device = devices_.erase(device);
  }
  std::erase_if(lost_, [&](const LostDevice& device) {
    return here.contains(device.name) || now - device.time > kLostShown;
  });
}

void FleetObserver::NotePlan(const FleetFacts& facts) {
  if (!facts.plan) {
    grid_ = PlanGrid();
    grid_epoch_ = 0;
    return;
  }
  if (grid_epoch_ != facts.plan->epoch) {
    grid_ = GridOf(*facts.plan, *facts.units);
    grid_epoch_ = facts.plan->epoch;
    for (auto& [name, device] : devices_) {
      device.slow_count = 0;
      device.straggler_told = false;
    }
  }
  if (!facts.failure.ok() && failed_epoch_ != facts.plan->epoch) {
    failed_epoch_ = facts.plan->epoch;
    events_.Add(Severity::kError, "",
                absl::StrCat("the model is not running any more: ",
                             facts.failure.message()),
                "shoal nodes");
  }
}

void FleetObserver::NoteReports(const FleetFacts& facts) {
  for (const DeviceFacts& device : facts.devices) {
    if (!device.report) continue;
    const std::string& name = device.state.profile.name;
    DeviceMemory& memory = devices_[name];
    NoteMemory(name, *device.report, memory);
    NoteHealth(name, device.report->health, memory);
  }
}

void FleetObserver::NoteMemory(const std::string& device,
                               const parallel::RankReport& report,
                               DeviceMemory& memory) {
  const uint64_t budget =
      std::exchange(memory.budget_bytes, report.budget_bytes);
  const uint64_t resident =
      std::exchange(memory.resident_bytes, report.resident_bytes);
  const uint64_t epoch = std::exchange(memory.epoch, report.epoch);
  // Only a change of the budget tells of other programs' memory: residents
  // make room for the texts of this one, too.
  if (epoch != report.epoch || budget == report.budget_bytes) return;
  const bool less = report.budget_bytes < budget;
  events_.Add(
      less ? Severity::kWarning : Severity::kInfo, device,
      absl::StrCat(less ? "memory is short: " : "memory is free again: ",
                   "budget ", base::FormatByteSize(budget), " -> ",
                   base::FormatByteSize(report.budget_bytes),
                   ", weights in memory ", base::FormatByteSize(resident),
                   " -> ", base::FormatByteSize(report.resident_bytes), " of ",
                   base::FormatByteSize(report.share_bytes)));
}

void FleetObserver::NoteHealth(const std::string& device,
                               const parallel::DeviceHealth& health,
                               DeviceMemory& memory) {
  if (health.temperature_c && health.clock_mhz && health.clock_max_mhz) {
    const bool throttles =
        *health.temperature_c >= kHotC &&
        *health.clock_mhz < kLowClock * *health.clock_max_mhz;
    if (throttles && !memory.heat_told) {
      events_.Add(Severity::kWarning, device,
                  absl::StrFormat("too hot to run at its full clock: %.0f C, "
                                  "%.0f of %.0f MHz; cool it",
                                  *health.temperature_c, *health.clock_mhz,
                                  *health.clock_max_mhz));
      memory.heat_told = true;
    } else if (*health.temperature_c < kCoolC) {
      memory.heat_told = false;
    }
  }
  if (!health.battery_percent) return;
  const bool discharging = health.battery_discharging.value_or(true);
  if (discharging && *health.battery_percent < kBatteryLowPercent &&
      !memory.battery_told) {
    events_.Add(Severity::kWarning, device,
                absl::StrFormat("battery at %.0f %%, and it is not charged",
                                *health.battery_percent));
    memory.battery_told = true;
  } else if (*health.battery_percent > kBatteryFinePercent) {
    memory.battery_told = false;
  }
}

void FleetObserver::Split(const FleetFacts& facts) {
  split_now_.reset();
  split_total_.reset();
  tokens_now_ = tokens_total_ = 0;
  if (!facts.plan) return;
  std::vector<std::optional<TokenMeans>> means_now, means_total;
  for (const DeviceFacts* device : ByRank(facts)) {
    auto& mean_now = means_now.emplace_back();
    auto& mean_total = means_total.emplace_back();
    if (device == nullptr || !device->report ||
        device->report->epoch != facts.plan->epoch) {
      continue;
    }
    const ReportHistory& history = devices_[device->state.profile.name].history;
    mean_now = history.TokenNow(facts.time);
    mean_total = history.TokenTotal();
  }
  split_now_ = SplitToken(means_now, grid_.main_stage);
  split_total_ = SplitToken(means_total, grid_.main_stage);
  if (means_now[0]) tokens_now_ = means_now[0]->tokens;
  if (means_total[0]) tokens_total_ = means_total[0]->tokens;
}

void FleetObserver::NoteStragglers(const FleetFacts& facts) {
  if (!split_now_ || facts.running.empty()) return;
  const std::vector<const DeviceFacts*> ranks = ByRank(facts);
  for (uint32_t rank = 0; rank < ranks.size(); ++rank) {
    if (ranks[rank] == nullptr || !split_now_->ranks[rank]) continue;
    const uint32_t group = grid_.main_stage[rank];
    const TokenParts& own = *split_now_->ranks[rank];
    const double own_ms = own.compute_ms + own.disk_ms;
    double others_ms = 0;
    int count = 0;
    for (uint32_t other = 0; other < ranks.size(); ++other) {
      if (other == rank || grid_.main_stage[other] != group ||
          !split_now_->ranks[other]) {
        continue;
      }
      const TokenParts& parts = *split_now_->ranks[other];
      others_ms += parts.compute_ms + parts.disk_ms;
      ++count;
    }
    DeviceMemory& memory = devices_[ranks[rank]->state.profile.name];
    const bool slow = count > 0 && split_now_->slowest[group] == rank &&
                      own_ms > kStragglerFactor * others_ms / count;
    memory.slow_count = slow ? memory.slow_count + 1 : 0;
    if (memory.slow_count < kStragglerCount || memory.straggler_told) continue;
    memory.straggler_told = true;
    events_.Add(
        Severity::kWarning, ranks[rank]->state.profile.name,
        absl::StrFormat("the others wait for it: it takes %.1f ms of a token "
                        "(computing %.1f, disk %.1f), they %.1f",
                        own_ms, own.compute_ms, own.disk_ms, others_ms / count),
        "shoal explain");
  }
}

void FleetObserver::NoteRefusals(const FleetFacts& facts) {
  const uint64_t before =
      std::exchange(refused_count_, facts.queue.refused_count);
  if (facts.queue.refused_count <= before) return;
  events_.Add(Severity::kWarning, "",
              absl::StrCat(facts.queue.refused_count,
                           " requests refused since the start: the queue was "
                           "full, or the model not ready"),
              "shoal help serve");
}

const ReportHistory* FleetObserver::HistoryOf(const std::string& device) const {
  const auto found = devices_.find(device);
  return found == devices_.end() ? nullptr : &found->second.history;
}

double FleetObserver::TokensPerSecond(absl::Time now) const {
  if (!is_running_ || totals_.size() < 2) return 0;
  const MeteredTotals& last = totals_.back();
  const MeteredTotals* base = &totals_[totals_.size() - 2];
  for (const MeteredTotals& totals : totals_) {
    if (absl::Nanoseconds(last.later_ns - totals.later_ns) <
        ReportHistory::kWindow) {
      break;
    }
    base = &totals;
  }
  const double seconds =
      absl::ToDoubleSeconds(absl::Nanoseconds(last.later_ns - base->later_ns));
  if (seconds <= 0) return 0;
  const double rate =
      static_cast<double>(last.later_tokens - base->later_tokens) / seconds;
  // A token that takes long shows before it is there.
  const double since =
      absl::ToDoubleSeconds(now - absl::FromUnixNanos(last.last_token_ns));
  return since * rate <= kLateTokens ? rate : 1 / since;
}

}  // namespace shoal::coordinator

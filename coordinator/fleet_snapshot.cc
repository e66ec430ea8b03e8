#include "coordinator/fleet_snapshot.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/fleet_convert.h"
#include "coordinator/token_forecast.h"

namespace shoal::coordinator {
namespace {

using parallel::RankReport;

uint64_t ToMilliseconds(absl::Duration duration) {
  return static_cast<uint64_t>(
      std::max<int64_t>(0, absl::ToInt64Milliseconds(duration)));
}

double ToMillisecondsExactly(int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e6;
}

proto::RequestSnapshot RequestOf(const MeteredRequest& request,
                                 absl::Time now) {
  proto::RequestSnapshot to;
  to.set_number(request.number);
  to.set_prompt_tokens(static_cast<uint32_t>(request.prompt_tokens));
  to.set_reused_tokens(static_cast<uint32_t>(request.reused_tokens));
  to.set_computed_tokens(static_cast<uint32_t>(request.computed_tokens));
  to.set_generated_tokens(static_cast<uint32_t>(request.generated_tokens));
  const absl::Time end =
      request.ended_ns == 0 ? now : absl::FromUnixNanos(request.ended_ns);
  to.set_running_ms(
      ToMilliseconds(end - absl::FromUnixNanos(request.began_ns)));
  if (request.first_token_ns >= 0) {
    to.set_time_to_first_token_ms(
        ToMillisecondsExactly(request.first_token_ns));
  }
  if (request.later_tokens > 0) {
    to.set_ms_per_token(ToMillisecondsExactly(request.later_ns) /
                        static_cast<double>(request.later_tokens));
  }
  return to;
}

void FillRequests(const FleetFacts& facts, const FleetObserver& observer,
                  absl::Time now, proto::RequestFigures& to) {
  const MeteredTotals& totals = facts.totals;
  to.set_running_count(static_cast<uint32_t>(facts.running.size()));
  to.set_queued_count(facts.queue.waiting_count);
  to.set_finished_count(totals.ended_count);
  to.set_refused_count(facts.queue.refused_count);
  to.set_prompt_tokens(totals.prompt_tokens);
  to.set_generated_tokens(totals.generated_tokens);
  to.set_tokens_per_second_now(observer.TokensPerSecond(now));
  if (totals.later_ns > 0) {
    to.set_tokens_per_second_average(
        static_cast<double>(totals.later_tokens) /
        (static_cast<double>(totals.later_ns) / 1e9));
  }
  if (totals.first_token_ns >= 0) {
    to.set_time_to_first_token_ms(ToMillisecondsExactly(totals.first_token_ns));
  }
  for (const MeteredRequest& request : facts.running) {
    *to.add_running() = RequestOf(request, now);
  }
  if (facts.last) *to.mutable_last() = RequestOf(*facts.last, now);
}

void FillTokenTime(const TokenSplit& split, uint64_t tokens,
                   proto::TokenTime& to) {
  to.set_tokens(tokens);
  to.set_ms_per_token(split.fleet.total_ms());
  to.set_compute_ms(split.fleet.compute_ms);
  to.set_disk_ms(split.fleet.disk_ms);
  to.set_wire_ms(split.fleet.wire_ms);
  to.set_wait_ms(split.fleet.wait_ms);
}

void FillDeviceTokenTime(const TokenMeans& means, const TokenParts& parts,
                         proto::DeviceTokenTime& to) {
  to.set_tokens(means.tokens);
  to.set_compute_ms(parts.compute_ms);
  to.set_disk_ms(parts.disk_ms);
  to.set_wire_ms(parts.wire_ms);
  to.set_wait_ms(parts.wait_ms);
  to.set_exchange_ms(means.exchange_ms);
  to.set_blocked_ms(means.wait_ms);
  to.set_read_bytes(means.read_bytes);
  to.set_sent_bytes(means.sent_bytes);
  to.set_received_bytes(means.received_bytes);
  for (const double time : means.waited_for_ms) to.add_waited_for_ms(time);
}

void FillCells(const FleetObserver& observer, proto::FleetSnapshot& to) {
  const auto& split = observer.split_now();
  const auto& main_stage = observer.grid().main_stage;
  for (const GridCell& cell : observer.grid().cells) {
    proto::PlanCell& added = *to.add_cells();
    added.set_stage(cell.stage);
    added.set_rank(cell.rank);
    added.set_unit_count(cell.unit_count);
    added.set_bytes(cell.bytes);
    added.set_share(cell.share);
    added.set_is_hub(cell.is_hub);
    added.set_is_slowest(split && main_stage[cell.rank] == cell.stage &&
                         cell.stage < split->slowest.size() &&
                         split->slowest[cell.stage] == cell.rank);
  }
}

proto::DeviceSnapshot::State StateOf(const FleetFacts& facts,
                                     const DeviceFacts& device) {
  if (device.state.silent > kSilentAfter) return proto::DeviceSnapshot::SILENT;
  if (device.state.rank < 0) {
    return device.state.is_drained ? proto::DeviceSnapshot::DRAINED
                                   : proto::DeviceSnapshot::JOINED;
  }
  if (!facts.failure.ok()) return proto::DeviceSnapshot::FAILED;
  return facts.ready ? proto::DeviceSnapshot::SERVING
                     : proto::DeviceSnapshot::LOADING;
}

void FillSums(const parallel::PassSums& from, proto::PassSums& to) {
  to.set_passes(from.passes);
  to.set_tokens(from.tokens);
  to.set_compute_ns(absl::ToInt64Nanoseconds(from.compute));
  to.set_stall_ns(absl::ToInt64Nanoseconds(from.stall));
  to.set_wait_ns(absl::ToInt64Nanoseconds(from.wait));
  to.set_exchange_ns(absl::ToInt64Nanoseconds(from.exchange));
  to.set_sent_bytes(from.sent_bytes);
  to.set_received_bytes(from.received_bytes);
}

// What the report says of the plan in force.
void FillShare(const RankReport& report, const ReportHistory* history,
               absl::Time now, proto::DeviceSnapshot& to) {
  to.set_share_bytes(report.share_bytes);
  to.set_resident_bytes(report.resident_bytes);
  to.set_streamed_bytes(report.share_bytes -
                        std::min(report.share_bytes, report.resident_bytes));
  to.set_window_bytes(report.window_bytes);
  to.set_kv_bytes(report.kv_bytes);
  to.set_fetched_bytes(report.fetched_bytes);
  to.set_read_bytes(report.read_bytes);
  to.set_io_engine(report.io_engine);
  FillSums(report.all, *to.mutable_passes());
  if (history == nullptr) return;
  const DeviceRates rates = history->Rates(now);
  to.set_read_rate(rates.read);
  to.set_sent_rate(rates.sent);
  to.set_received_rate(rates.received);
}

void FillTokenTimes(const ReportHistory& history, const FleetObserver& observer,
                    uint32_t rank, absl::Time now, proto::DeviceSnapshot& to) {
  const auto& split_now = observer.split_now();
  const auto& split_total = observer.split_total();
  if (const auto means = history.TokenNow(now);
      means && split_now && split_now->ranks[rank]) {
    FillDeviceTokenTime(*means, *split_now->ranks[rank],
                        *to.mutable_token_now());
  }
  if (const auto means = history.TokenTotal();
      means && split_total && split_total->ranks[rank]) {
    FillDeviceTokenTime(*means, *split_total->ranks[rank],
                        *to.mutable_token_total());
  }
}

// Nothing until every rank has reported of this plan.
void FillForecast(const FleetFacts& facts, proto::FleetSnapshot& to) {
  std::vector<ForecastDevice> ranks(facts.plan->rank_count());
  size_t known = 0;
  for (const DeviceFacts& device : facts.devices) {
    if (!device.report || device.state.rank < 0 ||
        device.report->epoch != facts.plan->epoch ||
        device.state.rank >= static_cast<int32_t>(ranks.size())) {
      continue;
    }
    ForecastDevice& rank = ranks[static_cast<size_t>(device.state.rank)];
    rank.profile = device.state.profile;
    rank.profile.budget_bytes = device.report->budget_bytes;
    rank.share_bytes = device.report->share_bytes;
    rank.resident_bytes = device.report->resident_bytes;
    rank.window_bytes = device.report->window_bytes;
    rank.kv_bytes = device.report->kv_bytes;
    ++known;
  }
  if (known != ranks.size()) return;
  const auto forecast = ForecastToken(*facts.plan, *facts.units, ranks);
  if (!forecast) return;
  to.set_predicted_ms_per_token(forecast->ms_per_token);
  if (!forecast->best_single_rank) return;
  to.set_best_single_device(ranks[*forecast->best_single_rank].profile.name);
  to.set_best_single_ms_per_token(forecast->best_single_ms);
}

void FillStatus(const FleetFacts& facts, const FleetObserver& observer,
                const DeviceFacts& device, proto::DeviceStatus& to) {
  *to.mutable_profile() = ToProto(device.state.profile);
  to.set_is_coordinator(&device == &facts.devices.front());
  to.set_silent_ms(static_cast<uint32_t>(
      std::min<uint64_t>(ToMilliseconds(device.state.silent), UINT32_MAX)));
  to.set_program_version(device.state.program_version);
  to.set_is_drained(device.state.is_drained);
  if (device.state.rank < 0) return;
  const auto rank = static_cast<uint32_t>(device.state.rank);
  to.set_rank(rank);
  for (const GridCell& cell : observer.grid().cells) {
    if (cell.rank != rank) continue;
    to.set_unit_count(to.unit_count() + cell.unit_count);
    to.set_share_bytes(to.share_bytes() + cell.bytes);
  }
}

proto::DeviceSnapshot DeviceOf(const FleetFacts& facts,
                               const FleetObserver& observer,
                               const DeviceFacts& device, absl::Time now) {
  proto::DeviceSnapshot to;
  FillStatus(facts, observer, device, *to.mutable_status());
  to.set_state(StateOf(facts, device));
  if (device.load && to.state() == proto::DeviceSnapshot::LOADING) {
    to.set_load_bytes_done(device.load->bytes_done);
    to.set_load_bytes_total(device.load->bytes_total);
    to.set_load_what(device.load->what);
  }
  if (device.round_trip) {
    to.set_round_trip_ms(absl::ToDoubleMilliseconds(*device.round_trip));
  }
  to.set_budget_bytes(device.state.profile.budget_bytes);
  to.set_threads(device.state.profile.threads);
  if (!device.report) return to;
  const RankReport& report = *device.report;
  to.set_has_report(true);
  to.set_report_age_ms(static_cast<uint32_t>(std::min<uint64_t>(
      ToMilliseconds(now - device.report_time), UINT32_MAX)));
  to.set_rss_bytes(report.rss_bytes);
  to.set_peak_rss_bytes(report.peak_rss_bytes);
  *to.mutable_health() = ToProto(report.health);
  to.set_isa(report.isa);
  if (!facts.plan || device.state.rank < 0 ||
      report.epoch != facts.plan->epoch) {
    return to;
  }
  to.set_budget_bytes(report.budget_bytes);
  const ReportHistory* const history =
      observer.HistoryOf(device.state.profile.name);
  FillShare(report, history, now, to);
  if (history != nullptr) {
    FillTokenTimes(*history, observer, static_cast<uint32_t>(device.state.rank),
                   now, to);
  }
  return to;
}

}  // namespace

proto::FleetSnapshot SnapshotOf(const FleetFacts& facts,
                                const FleetObserver& observer) {
  const absl::Time now = facts.time;
  proto::FleetSnapshot to;
  to.set_time_unix_ms(absl::ToUnixMillis(now));
  proto::FleetStatus& status = *to.mutable_status();
  status.set_coordinator_name(facts.devices.front().state.profile.name);
  status.set_program_version(facts.program_version);
  for (const std::string& device : facts.drained) {
    status.add_drained_devices(device);
  }
  if (facts.plan) {
    status.set_model_id(facts.model_id);
    status.set_model_name(facts.model_name);
    status.set_epoch(facts.plan->epoch);
    status.set_failure(std::string(facts.failure.message()));
    status.set_ready(facts.ready && facts.failure.ok());
    *to.mutable_plan() = ToProto(*facts.plan);
    FillForecast(facts, to);
  }
  FillCells(observer, to);
  FillRequests(facts, observer, now, *to.mutable_requests());
  if (observer.split_now()) {
    FillTokenTime(*observer.split_now(), observer.tokens_now(),
                  *to.mutable_token_now());
  }
  if (observer.split_total()) {
    FillTokenTime(*observer.split_total(), observer.tokens_total(),
                  *to.mutable_token_total());
  }
  for (const DeviceFacts& device : facts.devices) {
    *to.add_devices() = DeviceOf(facts, observer, device, now);
  }
  for (const FleetObserver::LostDevice& device : observer.lost()) {
    proto::DeviceSnapshot& lost = *to.add_devices();
    lost.mutable_status()->mutable_profile()->set_name(device.name);
    lost.mutable_status()->set_silent_ms(
        static_cast<uint32_t>(ToMilliseconds(now - device.time)));
    lost.set_state(proto::DeviceSnapshot::LOST);
  }
  return to;
}

proto::FleetEvent ToProto(const FleetEvent& event) {
  proto::FleetEvent to;
  to.set_number(event.number);
  to.set_time_unix_ms(absl::ToUnixMillis(event.time));
  switch (event.severity) {
    case Severity::kInfo:
      to.set_severity(proto::FleetEvent::INFO);
      break;
    case Severity::kWarning:
      to.set_severity(proto::FleetEvent::WARNING);
      break;
    case Severity::kError:
      to.set_severity(proto::FleetEvent::ERROR);
      break;
  }
  to.set_device(event.device);
  to.set_text(event.text);
  to.set_command(event.command);
  return to;
}

}  // namespace shoal::coordinator

#include "worker/fleet_convert.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::worker {
namespace {

absl::Status UnknownValue(absl::string_view field, int value) {
  return absl::InvalidArgumentError(
      absl::StrCat("the load's ", field, " is ", value,
                   ", which this version does not know; install the same "
                   "shoal on coordinator and worker"));
}

absl::StatusOr<parallel::Plan> PlanFromProto(const proto::Plan& from) {
  parallel::Plan to;
  to.epoch = from.epoch();
  to.device_names.assign(from.device_names().begin(),
                         from.device_names().end());
  for (const auto& stage : from.stages()) {
    to.stages.push_back({stage.hub(), stage.layer_begin(), stage.layer_end()});
  }
  for (const auto& range : from.ranges()) {
    to.ranges.push_back({range.rank(), range.begin(), range.end()});
  }
  switch (from.payload()) {
    case proto::PAYLOAD_F64:
      to.payload = parallel::Payload::kF64;
      break;
    case proto::PAYLOAD_F32:
      to.payload = parallel::Payload::kF32;
      break;
    default:
      return UnknownValue("payload", from.payload());
  }
  switch (from.collective()) {
    case proto::COLLECTIVE_STAR:
      to.collective = parallel::Collective::kStar;
      break;
    case proto::COLLECTIVE_FUSED_STAR:
      to.collective = parallel::Collective::kFusedStar;
      break;
    default:
      return UnknownValue("collective", from.collective());
  }
  to.chunk_tokens = from.chunk_tokens();
  to.notes.assign(from.notes().begin(), from.notes().end());
  return to;
}

absl::StatusOr<parallel::RunOptions> OptionsFromProto(
    const proto::RunOptions& from) {
  parallel::RunOptions to;
  switch (from.weights()) {
    case proto::WEIGHTS_MODE_AUTO:
      to.weights = parallel::WeightsMode::kAuto;
      break;
    case proto::WEIGHTS_MODE_RESIDENT:
      to.weights = parallel::WeightsMode::kResident;
      break;
    case proto::WEIGHTS_MODE_STREAM:
      to.weights = parallel::WeightsMode::kStream;
      break;
    default:
      return UnknownValue("weights mode", from.weights());
  }
  switch (from.kv()) {
    case proto::KV_FORMAT_F16:
      to.kv = parallel::KvFormat::kF16;
      break;
    case proto::KV_FORMAT_F32:
      to.kv = parallel::KvFormat::kF32;
      break;
    case proto::KV_FORMAT_Q8:
      to.kv = parallel::KvFormat::kQ8;
      break;
    default:
      return UnknownValue("KV format", from.kv());
  }
  switch (from.transport()) {
    case proto::TRANSPORT_TCP:
      to.transport = parallel::Transport::kTcp;
      break;
    case proto::TRANSPORT_ZMQ:
      to.transport = parallel::Transport::kZmq;
      break;
    default:
      return UnknownValue("transport", from.transport());
  }
  to.may_poll = from.may_poll();
  to.trace = from.trace();
  to.seal_links = from.seal_links();
  to.share_memory = from.share_memory();
  to.f32_activations = from.f32_activations();
  to.context_positions = from.context_positions();
  to.logits_rows_max = from.logits_rows_max();
  to.session_count =
      std::clamp(from.session_count(), 1u, parallel::kSessionCountMax);
  to.data_timeout = absl::Milliseconds(from.data_timeout_ms());
  return to;
}

}  // namespace

proto::Status ToProto(const absl::Status& status) {
  proto::Status to;
  to.set_code(status.raw_code());
  to.set_message(std::string(status.message()));
  return to;
}

absl::Status FailureFromProto(const proto::Status& status) {
  const absl::Status converted(static_cast<absl::StatusCode>(status.code()),
                               status.message());
  if (converted.ok()) return absl::UnknownError(status.message());
  return absl::Status(converted.code(), status.message());
}

proto::DeviceProfile ToProto(const parallel::DeviceProfile& profile) {
  proto::DeviceProfile to;
  to.set_name(profile.name);
  to.set_work_macs_per_second(profile.work_macs_per_second);
  to.set_disk_bytes_per_second(profile.disk_bytes_per_second);
  to.set_budget_bytes(profile.budget_bytes);
  to.set_fixed_bytes(profile.fixed_bytes);
  to.set_threads(profile.threads);
  to.set_computes(profile.computes);
  return to;
}

namespace {

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

void FillHealth(const parallel::DeviceHealth& from, proto::DeviceHealth& to) {
  to.set_core_count(from.core_count);
  if (from.load) to.set_load(*from.load);
  if (from.clock_mhz) to.set_clock_mhz(*from.clock_mhz);
  if (from.clock_max_mhz) to.set_clock_max_mhz(*from.clock_max_mhz);
  if (from.temperature_c) to.set_temperature_c(*from.temperature_c);
  if (from.battery_percent) to.set_battery_percent(*from.battery_percent);
  if (from.battery_discharging) {
    to.set_battery_discharging(*from.battery_discharging);
  }
}

}  // namespace

proto::Report ToProto(const parallel::RankReport& report) {
  proto::Report to;
  to.set_name(report.name);
  to.set_rank(report.rank);
  to.set_units(report.units);
  to.set_peak_rss_bytes(report.peak_rss_bytes);
  to.set_budget_bytes(report.budget_bytes);
  to.set_share_bytes(report.share_bytes);
  to.set_resident_bytes(report.resident_bytes);
  to.set_window_bytes(report.window_bytes);
  to.set_kv_bytes(report.kv_bytes);
  to.set_fetched_bytes(report.fetched_bytes);
  to.set_read_bytes(report.read_bytes);
  to.set_decode_passes(report.decode_passes);
  to.set_decode_read_bytes(report.decode_read_bytes);
  to.set_compute_ns(absl::ToInt64Nanoseconds(report.compute));
  to.set_stall_ns(absl::ToInt64Nanoseconds(report.stall));
  to.set_wait_ns(absl::ToInt64Nanoseconds(report.wait));
  to.set_exchange_ns(absl::ToInt64Nanoseconds(report.exchange));
  for (const absl::Duration time : report.waited_for) {
    to.add_waited_for_ns(absl::ToInt64Nanoseconds(time));
  }
  to.set_sent_bytes(report.sent_bytes);
  to.set_received_bytes(report.received_bytes);
  to.set_isa(report.isa);
  to.set_io_engine(report.io_engine);
  to.set_threads(report.threads);
  to.set_epoch(report.epoch);
  to.set_rss_bytes(report.rss_bytes);
  FillSums(report.all, *to.mutable_all());
  FillHealth(report.health, *to.mutable_health());
  return to;
}

proto::Trace ToProto(const base::TraceRecorder::Part& part) {
  proto::Trace to;
  to.set_total(part.total);
  to.set_dropped(part.dropped);
  for (const base::TraceEvent& event : part.events) {
    to.add_begin_ns(event.begin_ns);
    to.add_duration_ns(event.duration_ns);
    to.add_bytes(event.bytes);
    to.add_count(event.count);
    to.add_layer(event.layer);
    to.add_phase(event.phase);
    to.add_thread(event.thread);
    to.add_kind(static_cast<uint32_t>(event.kind));
  }
  return to;
}

absl::StatusOr<parallel::RankSetup> SetupFromProto(const proto::Load& load) {
  parallel::RankSetup to;
  to.rank = load.rank();
  SHOAL_ASSIGN_OR_RETURN(to.plan, PlanFromProto(load.plan()));
  if (to.plan.epoch != load.epoch() || to.rank >= to.plan.rank_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the load is for rank ", to.rank, " of epoch ",
                     load.epoch(), ", its plan has ", to.plan.rank_count(),
                     " ranks and epoch ", to.plan.epoch));
  }
  to.model.id = load.model().id();
  to.model.name = load.model().name();
  to.model.header = load.model().header();
  to.model.file_size = load.model().file_size();
  SHOAL_ASSIGN_OR_RETURN(to.options, OptionsFromProto(load.options()));
  to.budget_bytes = load.budget_bytes();
  to.fixed_bytes = load.fixed_bytes();
  if (load.link_secret().size() != to.link_secret.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the load has a link secret of ", load.link_secret().size(),
        " bytes; allowed: ", to.link_secret.size()));
  }
  std::copy(load.link_secret().begin(), load.link_secret().end(),
            to.link_secret.begin());
  return to;
}

}  // namespace shoal::worker

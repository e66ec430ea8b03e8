#include "coordinator/fleet_convert.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace shoal::coordinator {
namespace {

proto::Payload ToProto(parallel::Payload payload) {
  return payload == parallel::Payload::kF64 ? proto::PAYLOAD_F64
                                            : proto::PAYLOAD_F32;
}

proto::Collective ToProto(parallel::Collective collective) {
  return collective == parallel::Collective::kStar
             ? proto::COLLECTIVE_STAR
             : proto::COLLECTIVE_FUSED_STAR;
}

proto::WeightsMode ToProto(parallel::WeightsMode mode) {
  switch (mode) {
    case parallel::WeightsMode::kResident:
      return proto::WEIGHTS_MODE_RESIDENT;
    case parallel::WeightsMode::kStream:
      return proto::WEIGHTS_MODE_STREAM;
    case parallel::WeightsMode::kAuto:
      break;
  }
  return proto::WEIGHTS_MODE_AUTO;
}

proto::KvFormat ToProto(parallel::KvFormat format) {
  switch (format) {
    case parallel::KvFormat::kF32:
      return proto::KV_FORMAT_F32;
    case parallel::KvFormat::kQ8:
      return proto::KV_FORMAT_Q8;
    case parallel::KvFormat::kF16:
      break;
  }
  return proto::KV_FORMAT_F16;
}

void FillOptions(const parallel::RunOptions& from, proto::RunOptions& to) {
  to.set_weights(ToProto(from.weights));
  to.set_kv(ToProto(from.kv));
  to.set_f32_activations(from.f32_activations);
  to.set_context_positions(from.context_positions);
  to.set_logits_rows_max(from.logits_rows_max);
  to.set_data_timeout_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(from.data_timeout)));
  to.set_transport(from.transport == parallel::Transport::kZmq
                       ? proto::TRANSPORT_ZMQ
                       : proto::TRANSPORT_TCP);
  to.set_may_poll(from.may_poll);
  to.set_trace(from.trace);
  to.set_session_count(from.session_count);
  to.set_seal_links(from.seal_links);
  to.set_share_memory(from.share_memory);
}

bool IsRate(double rate) { return std::isfinite(rate) && rate >= 0; }

}  // namespace

proto::Status ToProto(const absl::Status& status) {
  proto::Status to;
  to.set_code(status.raw_code());
  to.set_message(std::string(status.message()));
  return to;
}

absl::Status FailureFromProto(const proto::Status& status) {
  const auto code = static_cast<absl::StatusCode>(status.code());
  const absl::Status converted(code, status.message());
  // code() maps numbers that it does not know to kUnknown.
  if (!converted.ok()) return absl::Status(converted.code(), status.message());
  return absl::UnknownError(
      absl::StrCat("failed without a reason: ", status.message()));
}

proto::Plan ToProto(const parallel::Plan& plan) {
  proto::Plan to;
  to.set_epoch(plan.epoch);
  for (const std::string& name : plan.device_names) to.add_device_names(name);
  for (const parallel::StagePlan& stage : plan.stages) {
    proto::Plan::Stage& added = *to.add_stages();
    added.set_hub(stage.hub);
    added.set_layer_begin(stage.layer_begin);
    added.set_layer_end(stage.layer_end);
  }
  for (const parallel::UnitRange& range : plan.ranges) {
    proto::Plan::Range& added = *to.add_ranges();
    added.set_rank(range.rank);
    added.set_begin(range.begin);
    added.set_end(range.end);
  }
  to.set_payload(ToProto(plan.payload));
  to.set_collective(ToProto(plan.collective));
  to.set_chunk_tokens(plan.chunk_tokens);
  for (const std::string& note : plan.notes) to.add_notes(note);
  return to;
}

proto::Load ToProto(const parallel::RankSetup& setup) {
  proto::Load to;
  to.set_epoch(setup.plan.epoch);
  to.set_rank(setup.rank);
  *to.mutable_plan() = ToProto(setup.plan);
  to.mutable_model()->set_id(setup.model.id);
  to.mutable_model()->set_name(setup.model.name);
  to.mutable_model()->set_header(setup.model.header);
  to.mutable_model()->set_file_size(setup.model.file_size);
  FillOptions(setup.options, *to.mutable_options());
  to.set_budget_bytes(setup.budget_bytes);
  to.set_fixed_bytes(setup.fixed_bytes);
  to.mutable_link_secret()->assign(setup.link_secret.begin(),
                                   setup.link_secret.end());
  return to;
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

absl::StatusOr<parallel::DeviceProfile> ProfileFromProto(
    const proto::DeviceProfile& profile) {
  const std::string& name = profile.name();
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  if (name.empty() || name.size() > kDeviceNameBytesMax || !printable) {
    return absl::InvalidArgumentError(
        absl::StrCat("the device's name has ", name.size(),
                     " bytes; allowed: 1 to ", kDeviceNameBytesMax,
                     " printable ASCII characters without spaces (--name)"));
  }
  if (!IsRate(profile.work_macs_per_second()) ||
      !IsRate(profile.disk_bytes_per_second())) {
    return absl::InvalidArgumentError(
        absl::StrCat("the profile of ", name, " has a rate that is negative ",
                     "or not a number"));
  }
  parallel::DeviceProfile to;
  to.name = name;
  to.work_macs_per_second = profile.work_macs_per_second();
  to.disk_bytes_per_second = profile.disk_bytes_per_second();
  to.budget_bytes = profile.budget_bytes();
  to.fixed_bytes = profile.fixed_bytes();
  to.threads = std::max<uint32_t>(profile.threads(), 1);
  to.computes = profile.computes();
  return to;
}

namespace {

parallel::PassSums SumsFromProto(const proto::PassSums& from) {
  parallel::PassSums to;
  to.passes = from.passes();
  to.tokens = from.tokens();
  to.compute = absl::Nanoseconds(from.compute_ns());
  to.stall = absl::Nanoseconds(from.stall_ns());
  to.wait = absl::Nanoseconds(from.wait_ns());
  to.exchange = absl::Nanoseconds(from.exchange_ns());
  to.sent_bytes = from.sent_bytes();
  to.received_bytes = from.received_bytes();
  return to;
}

// What is no finite number a device does not tell.
std::optional<double> NumberOr(bool is_there, double number) {
  if (!is_there || !std::isfinite(number)) return std::nullopt;
  return number;
}

parallel::DeviceHealth HealthFromProto(const proto::DeviceHealth& from) {
  parallel::DeviceHealth to;
  to.core_count = from.core_count();
  to.load = NumberOr(from.has_load(), from.load());
  to.clock_mhz = NumberOr(from.has_clock_mhz(), from.clock_mhz());
  to.clock_max_mhz = NumberOr(from.has_clock_max_mhz(), from.clock_max_mhz());
  to.temperature_c = NumberOr(from.has_temperature_c(), from.temperature_c());
  to.battery_percent =
      NumberOr(from.has_battery_percent(), from.battery_percent());
  if (from.has_battery_discharging()) {
    to.battery_discharging = from.battery_discharging();
  }
  return to;
}

}  // namespace

proto::DeviceHealth ToProto(const parallel::DeviceHealth& health) {
  proto::DeviceHealth to;
  to.set_core_count(health.core_count);
  if (health.load) to.set_load(*health.load);
  if (health.clock_mhz) to.set_clock_mhz(*health.clock_mhz);
  if (health.clock_max_mhz) to.set_clock_max_mhz(*health.clock_max_mhz);
  if (health.temperature_c) to.set_temperature_c(*health.temperature_c);
  if (health.battery_percent) to.set_battery_percent(*health.battery_percent);
  if (health.battery_discharging) {
    to.set_battery_discharging(*health.battery_discharging);
  }
  return to;
}

parallel::RankReport ReportFromProto(const proto::Report& report) {
  parallel::RankReport to;
  to.name = report.name();
  to.rank = report.rank();
  to.units = report.units();
  to.peak_rss_bytes = report.peak_rss_bytes();
  to.budget_bytes = report.budget_bytes();
  to.share_bytes = report.share_bytes();
  to.resident_bytes = report.resident_bytes();
  to.window_bytes = report.window_bytes();
  to.kv_bytes = report.kv_bytes();
  to.fetched_bytes = report.fetched_bytes();
  to.read_bytes = report.read_bytes();
  to.decode_passes = report.decode_passes();
  to.decode_read_bytes = report.decode_read_bytes();
  to.compute = absl::Nanoseconds(report.compute_ns());
  to.stall = absl::Nanoseconds(report.stall_ns());
  to.wait = absl::Nanoseconds(report.wait_ns());
  to.exchange = absl::Nanoseconds(report.exchange_ns());
  for (const int64_t time : report.waited_for_ns()) {
    to.waited_for.push_back(absl::Nanoseconds(time));
  }
  to.sent_bytes = report.sent_bytes();
  to.received_bytes = report.received_bytes();
  to.isa = report.isa();
  to.io_engine = report.io_engine();
  to.threads = report.threads();
  to.epoch = report.epoch();
  to.rss_bytes = report.rss_bytes();
  to.all = SumsFromProto(report.all());
  to.health = HealthFromProto(report.health());
  return to;
}

absl::StatusOr<base::TraceRecorder::Part> TraceFromProto(
    const proto::Trace& trace) {
  const int count = trace.begin_ns_size();
  if (trace.duration_ns_size() != count || trace.bytes_size() != count ||
      trace.count_size() != count || trace.layer_size() != count ||
      trace.phase_size() != count || trace.thread_size() != count ||
      trace.kind_size() != count) {
    return absl::InvalidArgumentError("a trace of lists of different lengths");
  }
  base::TraceRecorder::Part part;
  part.total = trace.total();
  part.dropped = trace.dropped();
  for (int i = 0; i < count; ++i) {
    if (trace.kind(i) >= base::kTraceKindCount) {
      return absl::InvalidArgumentError(
          absl::StrCat("a trace with an event of kind ", trace.kind(i)));
    }
    part.events.push_back(
        {.begin_ns = trace.begin_ns(i),
         .duration_ns = trace.duration_ns(i),
         .bytes = trace.bytes(i),
         .count = trace.count(i),
         .layer = static_cast<uint16_t>(trace.layer(i)),
         .phase = static_cast<uint16_t>(trace.phase(i)),
         .thread = static_cast<uint16_t>(trace.thread(i)),
         .kind = static_cast<base::TraceKind>(trace.kind(i))});
  }
  return part;
}

}  // namespace shoal::coordinator

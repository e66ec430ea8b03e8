#include "cli/json_report.h"

#include <utility>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

using nlohmann::json;

json PlanJson(const RunFacts& facts) {
  const parallel::Plan& plan = facts.plan;
  json stages = json::array();
  for (size_t s = 0; s < plan.stages.size(); ++s) {
    json ranks = json::array();
    for (uint32_t r = 0; r < plan.rank_count(); ++r) {
      for (const uint32_t stage : facts.rank_stages[r]) {
        if (stage == s) ranks.push_back(r);
      }
    }
    stages.push_back({{"hub", plan.stages[s].hub},
                      {"layer_begin", plan.stages[s].layer_begin},
                      {"layer_end", plan.stages[s].layer_end},
                      {"head", s + 1 == plan.stages.size()},
                      {"ranks", ranks}});
  }
  return {
      {"epoch", plan.epoch},
      {"payload", plan.payload == parallel::Payload::kF64 ? "f64" : "f32"},
      {"collective",
       plan.collective == parallel::Collective::kStar ? "star" : "fused-star"},
      {"chunk_tokens", plan.chunk_tokens},
      {"context_positions", facts.context_positions},
      {"stages", stages},
      {"notes", plan.notes}};
}

json ResultJson(const coordinator::GenerateResult& result) {
  return {{"text", result.text},
          {"token_ids", result.token_ids},
          {"prompt_tokens", result.prompt_tokens},
          {"finish_reason",
           std::string(coordinator::ToString(result.finish_reason))},
          {"time_to_first_token_ms",
           absl::ToDoubleMilliseconds(result.time_to_first_token)},
          {"ms_per_token", absl::ToDoubleMilliseconds(result.time_per_token())},
          {"tokens_per_second", TokensPerSecond(result)}};
}

json DeviceJson(const RunFacts& facts, const parallel::RankReport& report) {
  json device = {{"name", report.name},
                 {"rank", report.rank},
                 {"hub", static_cast<bool>(facts.rank_is_hub[report.rank])},
                 {"stages", facts.rank_stages[report.rank]},
                 {"units", report.units},
                 {"peak_rss_bytes", report.peak_rss_bytes},
                 {"budget_bytes", report.budget_bytes},
                 {"share_bytes", report.share_bytes},
                 {"resident_bytes", report.resident_bytes},
                 {"window_bytes", report.window_bytes},
                 {"kv_bytes", report.kv_bytes},
                 {"fetched_bytes", report.fetched_bytes},
                 {"read_bytes", report.read_bytes},
                 {"decode_passes", report.decode_passes},
                 {"isa", report.isa},
                 {"io", report.io_engine},
                 {"threads", report.threads}};
  device["read_bytes_per_pass"] = PerPass(report.decode_read_bytes, report);
  device["compute_ms_per_pass"] = MillisecondsPerPass(report.compute, report);
  device["stall_ms_per_pass"] = MillisecondsPerPass(report.stall, report);
  device["wait_ms_per_pass"] = MillisecondsPerPass(report.wait, report);
  device["exchange_ms_per_pass"] = MillisecondsPerPass(report.exchange, report);
  json waited_for = json::array();
  for (const absl::Duration time : report.waited_for) {
    waited_for.push_back(MillisecondsPerPass(time, report));
  }
  device["waited_for_ms_per_pass"] = std::move(waited_for);
  device["sent_bytes_per_pass"] = PerPass(report.sent_bytes, report);
  device["received_bytes_per_pass"] = PerPass(report.received_bytes, report);
  return device;
}

}  // namespace

double PerPass(uint64_t total, const parallel::RankReport& report) {
  if (report.decode_passes == 0) return 0;
  return static_cast<double>(total) / static_cast<double>(report.decode_passes);
}

double MillisecondsPerPass(absl::Duration total,
                           const parallel::RankReport& report) {
  if (report.decode_passes == 0) return 0;
  return absl::ToDoubleMilliseconds(total) /
         static_cast<double>(report.decode_passes);
}

double TokensPerSecond(const coordinator::GenerateResult& result) {
  const double seconds = absl::ToDoubleSeconds(result.time_per_token());
  return seconds > 0 ? 1 / seconds : 0;
}

std::string JsonReport(const RunFacts& facts) {
  json devices = json::array();
  for (const parallel::RankReport& report : facts.reports) {
    devices.push_back(DeviceJson(facts, report));
  }
  json object = ResultJson(facts.result);
  object["unit_bytes_sent"] = facts.unit_bytes_sent;
  object["plan"] = PlanJson(facts);
  object["devices"] = std::move(devices);
  return object.dump(2, ' ', false, json::error_handler_t::replace);
}

std::string JsonResult(const coordinator::GenerateResult& result) {
  return ResultJson(result).dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace shoal::cli

#include "cli/summary.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"
#include "cli/table.h"

namespace shoal::cli {
namespace {

using base::FormatByteSize;

void SetStages(coordinator::Coordinator& coordinator, RunFacts& facts) {
  const parallel::Plan& plan = facts.plan;
  const auto& units = coordinator.model().units;
  facts.rank_stages.resize(plan.rank_count());
  facts.rank_is_hub.assign(plan.rank_count(), false);
  for (uint32_t s = 0; s < plan.stages.size(); ++s) {
    facts.rank_is_hub[plan.stages[s].hub] = true;
    facts.rank_stages[plan.stages[s].hub].push_back(s);
  }
  for (const parallel::UnitRange& range : plan.ranges) {
    auto& stages = facts.rank_stages[range.rank];
    const uint32_t stage = plan.StageOf(units[range.begin].id.layer);
    if (std::find(stages.begin(), stages.end(), stage) == stages.end()) {
      stages.push_back(stage);
    }
  }
  for (auto& stages : facts.rank_stages) {
    std::sort(stages.begin(), stages.end());
  }
}

// How the disks of the devices that stream are read; empty if none does.
std::string ReadingText(const RunFacts& facts) {
  std::vector<std::string> engines;
  for (const parallel::RankReport& report : facts.reports) {
    if (report.window_bytes == 0 ||
        std::find(engines.begin(), engines.end(), report.io_engine) !=
            engines.end()) {
      continue;
    }
    engines.push_back(report.io_engine);
  }
  if (engines.empty()) return "";
  return absl::StrCat("weights streamed by ", absl::StrJoin(engines, "; "),
                      "\n");
}

std::string Milliseconds(absl::Duration total,
                         const parallel::RankReport& report) {
  return absl::StrFormat("%.2f", MillisecondsPerPass(total, report));
}

}  // namespace

RunFacts FactsOf(coordinator::Coordinator& coordinator,
                 coordinator::GenerateResult result) {
  RunFacts facts;
  facts.result = std::move(result);
  facts.plan = coordinator.plan();
  facts.reports = coordinator.Reports();
  facts.context_positions = coordinator.context_positions();
  facts.unit_bytes_sent = coordinator.unit_bytes_sent();
  SetStages(coordinator, facts);
  return facts;
}

std::string SummaryText(const RunFacts& facts) {
  Table table({"device", "units", "share", "in memory", "peak/budget",
               "read/pass", "compute", "stall", "wait", "exchange"});
  for (size_t c = 1; c < 10; ++c) table.AlignRight(c);
  for (const parallel::RankReport& report : facts.reports) {
    table.AddRow(
        {report.name, absl::StrCat(report.units),
         FormatByteSize(report.share_bytes),
         FormatByteSize(report.resident_bytes),
         absl::StrCat(FormatByteSize(report.peak_rss_bytes), " / ",
                      FormatByteSize(report.budget_bytes)),
         FormatByteSize(
             static_cast<uint64_t>(PerPass(report.decode_read_bytes, report))),
         Milliseconds(report.compute, report),
         Milliseconds(report.stall, report), Milliseconds(report.wait, report),
         Milliseconds(report.exchange, report)});
  }
  return absl::StrCat(table.Text(),
                      "compute, stall, wait and exchange in ms per token\n",
                      ReadingText(facts), ResultLine(facts.result));
}

std::string ResultLine(const coordinator::GenerateResult& result) {
  return absl::StrCat(
      absl::StrFormat(
          "%d prompt tokens, first token after %.0f ms; %d tokens, %.1f "
          "tokens/s",
          result.prompt_tokens,
          absl::ToDoubleMilliseconds(result.time_to_first_token),
          result.token_ids.size(), TokensPerSecond(result)),
      "\n");
}

}  // namespace shoal::cli

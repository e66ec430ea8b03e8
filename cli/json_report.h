// The object that --json prints.

#ifndef SHOAL_CLI_JSON_REPORT_H_
#define SHOAL_CLI_JSON_REPORT_H_

#include <string>
#include <vector>

#include "coordinator/generation.h"
#include "parallel/plan.h"
#include "parallel/rank.h"

namespace shoal::cli {

// What a run was and how it went.
struct RunFacts {
  coordinator::GenerateResult result;
  parallel::Plan plan;
  std::vector<parallel::RankReport> reports;  // by rank
  // Stages in which each rank has units or is the hub, by rank.
  std::vector<std::vector<uint32_t>> rank_stages;
  std::vector<bool> rank_is_hub;
  uint32_t context_positions = 0;
  uint64_t unit_bytes_sent = 0;
};

// Text that is no UTF-8 appears with U+FFFD.
std::string JsonReport(const RunFacts& facts);

// Of it what a client of a coordinator knows.
std::string JsonResult(const coordinator::GenerateResult& result);

// Per decode pass; 0 if there were none.
double PerPass(uint64_t total, const parallel::RankReport& report);
double MillisecondsPerPass(absl::Duration total,
                           const parallel::RankReport& report);

// Tokens per second after the first; 0 if there is only one.
double TokensPerSecond(const coordinator::GenerateResult& result);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_JSON_REPORT_H_

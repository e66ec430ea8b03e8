// The table at the end of a run.

#ifndef SHOAL_CLI_SUMMARY_H_
#define SHOAL_CLI_SUMMARY_H_

#include <string>

#include "cli/json_report.h"
#include "coordinator/coordinator.h"

namespace shoal::cli {

// Asks all ranks for their figures.
RunFacts FactsOf(coordinator::Coordinator& coordinator,
                 coordinator::GenerateResult result);

std::string SummaryText(const RunFacts& facts);

// Its last line: tokens and their rate.
std::string ResultLine(const coordinator::GenerateResult& result);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_SUMMARY_H_

// The report of `shoal bench e2e`, to be shared.

#ifndef SHOAL_CLI_E2E_REPORT_H_
#define SHOAL_CLI_E2E_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "parallel/rank.h"

namespace shoal::cli {

// Of this machine, as its system tells; empty: it does not.
struct E2eSystem {
  std::string version;    // of the program
  std::string system;     // "Linux 6.1.0 x86_64"
  std::string processor;  // "Cortex-A76"
  uint32_t core_count = 0;
  uint64_t memory_bytes = 0;
};

struct E2eModel {
  std::string name;
  std::string weights;  // "Q4_0 620 MiB, Q6_K 50 MiB": most bytes first
  uint64_t bytes = 0;
};

// A fleet on which the same was run several times.
struct E2eRow {
  std::string fleet;  // "4 devices", "desk alone"
  std::string error;  // why there are no figures; empty: there are
  // Medians over the runs.
  double prompt_tokens_per_second = 0;
  double tokens_per_second = 0;
  absl::Duration time_to_first_token;
  double spread = 0;  // (largest - least) / median of tokens_per_second
  std::vector<parallel::RankReport> devices;  // of all runs together
};

struct E2eReport {
  absl::Time time;
  E2eSystem system;
  E2eModel model;
  std::string link;  // "tcp, sealed"
  uint32_t prompt_tokens = 0;
  uint32_t generated_tokens = 0;
  uint32_t runs = 0;
  uint32_t context_positions = 0;
  std::vector<E2eRow> rows;
};

std::string E2eText(const E2eReport& report);
nlohmann::json E2eJson(const E2eReport& report);
// A page of its own, with bars; asks nothing of the network.
std::string E2eHtml(const E2eReport& report);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_E2E_REPORT_H_

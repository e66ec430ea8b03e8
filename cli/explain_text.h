// How `shoal explain` tells a diagnosis.

#ifndef SHOAL_CLI_EXPLAIN_TEXT_H_
#define SHOAL_CLI_EXPLAIN_TEXT_H_

#include <string>

#include "nlohmann/json.hpp"
#include "parallel/diagnosis.h"
#include "parallel/token_model.h"

namespace shoal::cli {

// The device that alone would be fastest, where that is known.
struct BestSingleDevice {
  std::string name;  // empty: not known
  absl::Duration predicted;
};

// Lines for people: a table of devices, the bottleneck, what would help.
std::string ExplainText(const parallel::TokenModel& model,
                        const parallel::Diagnosis& diagnosis, uint64_t tokens,
                        const BestSingleDevice& single);

// The same as one object; its fields are in docs/how-to-run-a-fleet.md.
nlohmann::json ExplainJson(const parallel::TokenModel& model,
                           const parallel::Diagnosis& diagnosis,
                           uint64_t tokens, const BestSingleDevice& single);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_EXPLAIN_TEXT_H_

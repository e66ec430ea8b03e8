// What a check found, and what to do about it.

#ifndef SHOAL_HEALTH_FINDING_H_
#define SHOAL_HEALTH_FINDING_H_

#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::health {

enum class Severity { kPass, kWarn, kFail };

// "PASS", "WARN", "FAIL".
absl::string_view ToString(Severity severity);

struct Finding {
  Severity severity = Severity::kPass;
  std::string check;     // "disk rate"; a few words, the same on every device
  std::string value;     // what was found, with its unit
  std::string expected;  // what would be well
  std::string fix;       // what to do, with a command where there is one
};

using Findings = std::vector<Finding>;

Finding Pass(absl::string_view check, absl::string_view value,
             absl::string_view expected = "");
Finding Warn(absl::string_view check, absl::string_view value,
             absl::string_view expected, absl::string_view fix);
Finding Fail(absl::string_view check, absl::string_view value,
             absl::string_view expected, absl::string_view fix);

// The worst of them; kPass if there are none.
Severity WorstOf(std::span<const Finding> findings);

}  // namespace shoal::health

#endif  // SHOAL_HEALTH_FINDING_H_

#include "health/finding.h"

#include <algorithm>

namespace shoal::health {
namespace {

Finding Make(Severity severity, absl::string_view check,
             absl::string_view value, absl::string_view expected,
             absl::string_view fix) {
  return {severity, std::string(check), std::string(value),
          std::string(expected), std::string(fix)};
}

}  // namespace

absl::string_view ToString(Severity severity) {
  switch (severity) {
    case Severity::kPass:
      return "PASS";
    case Severity::kWarn:
      return "WARN";
    case Severity::kFail:
      return "FAIL";
  }
  return "";
}

Finding Pass(absl::string_view check, absl::string_view value,
             absl::string_view expected) {
  return Make(Severity::kPass, check, value, expected, "");
}

Finding Warn(absl::string_view check, absl::string_view value,
             absl::string_view expected, absl::string_view fix) {
  return Make(Severity::kWarn, check, value, expected, fix);
}

Finding Fail(absl::string_view check, absl::string_view value,
             absl::string_view expected, absl::string_view fix) {
  return Make(Severity::kFail, check, value, expected, fix);
}

Severity WorstOf(std::span<const Finding> findings) {
  Severity worst = Severity::kPass;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.severity);
  }
  return worst;
}

}  // namespace shoal::health

#include "cli/finding_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

using health::Finding;
using health::Severity;
using nlohmann::json;

size_t CountOf(std::span<const ExaminedDevice> devices, Severity severity) {
  size_t count = 0;
  for (const ExaminedDevice& device : devices) {
    for (const Finding& finding : device.findings) {
      if (finding.severity == severity) ++count;
    }
  }
  return count;
}

std::string TextOf(const health::Findings& findings) {
  size_t width = 0;
  for (const Finding& finding : findings) {
    width = std::max(width, finding.check.size());
  }
  std::string text;
  for (const Finding& finding : findings) {
    absl::StrAppend(&text, health::ToString(finding.severity), "  ",
                    finding.check,
                    std::string(width - finding.check.size() + 2, ' '),
                    finding.value, "\n");
    if (finding.severity == Severity::kPass) continue;
    if (!finding.expected.empty()) {
      absl::StrAppend(&text, "      expected: ", finding.expected, "\n");
    }
    if (!finding.fix.empty()) {
      absl::StrAppend(&text, "      fix: ", finding.fix, "\n");
    }
  }
  return text;
}

}  // namespace

std::string FindingText(std::span<const ExaminedDevice> devices) {
  std::string text;
  for (const ExaminedDevice& device : devices) {
    if (devices.size() > 1) {
      absl::StrAppend(&text, text.empty() ? "" : "\n", device.name, "\n");
    }
    absl::StrAppend(&text, TextOf(device.findings));
  }
  return text;
}

std::string FindingJson(std::span<const ExaminedDevice> devices) {
  json list = json::array();
  for (const ExaminedDevice& device : devices) {
    json findings = json::array();
    for (const Finding& finding : device.findings) {
      findings.push_back(
          {{"severity", std::string(health::ToString(finding.severity))},
           {"check", finding.check},
           {"value", finding.value},
           {"expected", finding.expected},
           {"fix", finding.fix}});
    }
    list.push_back({{"name", device.name}, {"findings", findings}});
  }
  const json object = {{"devices", list},
                       {"warnings", CountOf(devices, Severity::kWarn)},
                       {"failures", CountOf(devices, Severity::kFail)}};
  return object.dump(2, ' ', false, json::error_handler_t::replace);
}

absl::Status VerdictOf(std::span<const ExaminedDevice> devices) {
  std::vector<std::string> failed;
  for (const ExaminedDevice& device : devices) {
    for (const Finding& finding : device.findings) {
      if (finding.severity != Severity::kFail) continue;
      failed.push_back(absl::StrCat(device.name, ": ", finding.check));
    }
  }
  if (failed.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(failed.size(), failed.size() == 1 ? " check" : " checks",
                   " failed: ", absl::StrJoin(failed, "; ")));
}

}  // namespace shoal::cli

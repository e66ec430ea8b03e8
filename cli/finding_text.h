// What checks found, for people and for programs.

#ifndef SHOAL_CLI_FINDING_TEXT_H_
#define SHOAL_CLI_FINDING_TEXT_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "cli/diagnostics_client.h"

namespace shoal::cli {

// A line for each finding; below those that are not well, what would be, and
// the fix. The device's name stands above its findings if there are several.
std::string FindingText(std::span<const ExaminedDevice> devices);

// {"devices": [{"name", "findings": [{"severity", "check", "value", "expected",
// "fix"}]}], "warnings", "failures"}
std::string FindingJson(std::span<const ExaminedDevice> devices);

// Errors: kFailedPrecondition  something failed: says on which device what
absl::Status VerdictOf(std::span<const ExaminedDevice> devices);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FINDING_TEXT_H_

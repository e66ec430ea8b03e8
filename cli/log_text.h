// Lines of logs, for people and for programs.

#ifndef SHOAL_CLI_LOG_TEXT_H_
#define SHOAL_CLI_LOG_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/diagnostics_client.h"

namespace shoal::cli {

// "2026-11-21 20:50:01.123 pi-a    W what happened": the name in at least
// `name_width` letters, times as in `zone`.
std::string LogText(const FleetLogLine& line, size_t name_width,
                    absl::TimeZone zone);

// {"time", "device", "level", "text"}, in one line; times in UTC.
std::string LogJson(const FleetLogLine& line);

// "info", "warning", "error".
absl::string_view WordOf(base::LogLevel level);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_LOG_TEXT_H_

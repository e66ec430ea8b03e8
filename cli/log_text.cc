#include "cli/log_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {

absl::string_view WordOf(base::LogLevel level) {
  switch (level) {
    case base::LogLevel::kDebug:
      return "debug";
    case base::LogLevel::kInfo:
      return "info";
    case base::LogLevel::kWarning:
      return "warning";
    default:
      return "error";
  }
}

std::string LogText(const FleetLogLine& line, size_t name_width,
                    absl::TimeZone zone) {
  const size_t space =
      name_width - std::min(name_width, line.device.size()) + 1;
  const char letter =
      absl::ascii_toupper(static_cast<unsigned char>(WordOf(line.level)[0]));
  return absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%E3S", line.time, zone),
                      " ", line.device, std::string(space, ' '),
                      std::string(1, letter), " ", line.text);
}

std::string LogJson(const FleetLogLine& line) {
  const nlohmann::json object = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", line.time,
                                absl::UTCTimeZone())},
      {"device", line.device},
      {"level", std::string(WordOf(line.level))},
      {"text", line.text}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace shoal::cli

// SHOAL_LOG: one line to standard error, with time and level.
//
// Standard output belongs to the generated text and to --json alone.

#ifndef SHOAL_BASE_LOG_H_
#define SHOAL_BASE_LOG_H_

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace shoal::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// Lines below `level` are dropped. Initially kWarning. Thread-safe.
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

// Thread-safe; lines of several threads are never mixed.
void LogLine(LogLevel level, absl::string_view message);

}  // namespace shoal::base

// SHOAL_LOG(kInfo, "worker ", name, " joined"): arguments as in absl::StrCat,
// evaluated only if the level is on.
#define SHOAL_LOG(level, ...)                                      \
  do {                                                             \
    if (::shoal::base::LogEnabled(::shoal::base::LogLevel::level)) \
      ::shoal::base::LogLine(::shoal::base::LogLevel::level,       \
                             ::absl::StrCat(__VA_ARGS__));         \
  } while (false)

#endif  // SHOAL_BASE_LOG_H_

#include "base/log.h"

#include <atomic>
#include <memory>

#include "base/log_ring.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace shoal::base {
namespace {

std::atomic<LogLevel> minimum_level{LogLevel::kWarning};

spdlog::logger& Logger() {
  // Never destroyed, so that other static objects may log while they end.
  static spdlog::logger* const logger = [] {
    auto* made = new spdlog::logger(
        "shoal", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_pattern("%H:%M:%S.%e %^%L%$ %v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

}  // namespace

void SetLogLevel(LogLevel level) { minimum_level = level; }

bool LogEnabled(LogLevel level) {
  // What is not printed is kept all the same.
  return level >= LogLevel::kInfo || level >= minimum_level.load();
}

void LogLine(LogLevel level, absl::string_view message) {
  LogRing::OfProcess().Add(level, message);
  if (level < minimum_level.load()) return;
  spdlog::level::level_enum to = spdlog::level::err;
  if (level == LogLevel::kDebug) to = spdlog::level::debug;
  if (level == LogLevel::kInfo) to = spdlog::level::info;
  if (level == LogLevel::kWarning) to = spdlog::level::warn;
  Logger().log(to, spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace shoal::base

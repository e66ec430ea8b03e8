#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/diagnostics_client.h"
#include "cli/flag_values.h"
#include "cli/interrupt.h"
#include "cli/log_text.h"
#include "cli/operator_flags.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kFollowInterval = absl::Milliseconds(500);

struct LogsFlags {
  std::string device;
  OperatorFlags where;
  absl::Duration since = absl::InfiniteDuration();
  base::LogLevel level = base::LogLevel::kInfo;
  bool follow = false;
  bool json = false;
};

class LogPrinter {
 public:
  explicit LogPrinter(const LogsFlags& flags)
      : json_(flags.json), from_(absl::Now() - flags.since) {}

  void Print(const FleetLog& log) {
    for (const FleetLogLine& line : log.lines) {
      width_ = std::max(width_, line.device.size());
    }
    for (const FleetLogLine& line : log.lines) {
      if (line.time < from_) continue;
      std::puts(json_ ? LogJson(line).c_str()
                      : LogText(line, width_, absl::LocalTimeZone()).c_str());
    }
    std::fflush(stdout);
    for (const std::string& device : log.silent) {
      if (told_.insert(device).second) {
        std::fprintf(stderr, "%s does not answer; shoal doctor %s tells more\n",
                     device.c_str(), device.c_str());
      }
    }
  }

 private:
  const bool json_;
  const absl::Time from_;
  size_t width_ = 0;
  std::set<std::string> told_;  // devices that did not answer
};

absl::Status Logs(const LogsFlags& flags) {
  InterruptWatcher interrupt;
  SHOAL_ASSIGN_OR_RETURN(const OperatorTarget where,
                         OperatorTargetOf(flags.where));
  LogPrinter printer(flags);
  LogPlaces places;
  SHOAL_ASSIGN_OR_RETURN(
      const FleetLog all,
      ReadWholeFleetLog(where.target, flags.device, flags.level, places));
  printer.Print(all);
  while (flags.follow && !interrupt.interrupted()) {
    absl::SleepFor(kFollowInterval);
    SHOAL_ASSIGN_OR_RETURN(
        const FleetLog log,
        ReadFleetLog(where.target, flags.device, flags.level, places));
    printer.Print(log);
  }
  // That is how following is ended: no fault.
  return absl::OkStatus();
}

}  // namespace

void AddLogsVerb(Command& root) {
  Command& verb = root.AddVerb("logs", "What the devices of a fleet have said");
  auto flags = std::make_shared<LogsFlags>();
  verb.AddFlag({.names = "DEVICE", .help = "Only of this device (all)"},
               SetText(&flags->device));
  AddOperatorFlags(verb, flags->where);
  verb.AddSwitch({.names = "-f,--follow",
                  .help = "Go on with what is still to come, until an "
                          "interrupt"},
                 &flags->follow);
  verb.AddFlag({.names = "--since",
                .value = "TIME",
                .help = "Only the last so much time: 30s, 10m, 2h"},
               SetDuration(&flags->since));
  const Choices<base::LogLevel> levels = {{"info", base::LogLevel::kInfo},
                                          {"warning", base::LogLevel::kWarning},
                                          {"error", base::LogLevel::kError}};
  verb.AddFlag({.names = "--level",
                .value = "info|warning|error",
                .help = "The least serious ones (info)",
                .choices = Words(levels)},
               SetChoice(levels, &flags->level));
  verb.AddSwitch(
      {.names = "--json", .help = "Print a JSON object for each line"},
      &flags->json);
  verb.SetDetails(
      "Every process keeps its last thousand lines and tells them through the\n"
      "coordinator. They come in the order of their times, by the "
      "coordinator's\n"
      "clock. No prompt, answer or secret is in them.\n\n"
      "Examples:\n"
      "  shoal logs --since 10m\n"
      "  shoal logs pi4-b --follow --level warning");
  verb.SetRunner([flags] { return Logs(*flags); });
}

}  // namespace shoal::cli

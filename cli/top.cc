#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/change_runner.h"
#include "cli/coordinator_client.h"
#include "cli/flag_values.h"
#include "cli/interrupt.h"
#include "cli/operator_flags.h"
#include "cli/top_control.h"
#include "cli/top_input.h"
#include "cli/top_layout.h"
#include "cli/top_plain.h"
#include "cli/top_terminal.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kKeyPatience = absl::Milliseconds(50);
constexpr absl::Duration kInterruptLook = absl::Milliseconds(200);

struct TopFlags {
  OperatorFlags fleet;
  uint32_t rate = 2;
  bool plain = false;
  std::string filter;
  std::string record;
  std::string replay;
};

// A fleet to look at, and to change.
struct Watched {
  UpdateSource source;
  ChangeFunction change;  // null: a recording
};

absl::StatusOr<Watched> WatchedOf(const TopFlags& flags, bool is_plain) {
  if (!flags.replay.empty()) {
    return Watched{ReplaySource(flags.replay, is_plain), nullptr};
  }
  SHOAL_ASSIGN_OR_RETURN(const OperatorTarget found,
                         OperatorTargetOf(flags.fleet));
  const auto client = std::make_shared<CoordinatorClient>(found.target);
  const double rate = flags.rate;
  UpdateSource source = [client, rate](const auto& on_update,
                                       const std::atomic<bool>& cancel) {
    const absl::Status status = client->Watch(rate, on_update, cancel);
    if (!absl::IsUnavailable(status)) return status;
    return absl::UnavailableError(absl::StrCat(
        status.message(), "; start one with shoal serve, chat or run"));
  };
  if (!flags.record.empty()) {
    source = RecordingSource(std::move(source), flags.record);
  }
  ChangeFunction change = [target = found.target](
                              const auto& asked, const auto& on_news,
                              const std::atomic<bool>& cancel) {
    return CoordinatorClient(target).Change(asked, on_news, cancel);
  };
  return Watched{std::move(source), std::move(change)};
}

absl::Status ShowPlain(const TopFlags& flags, TopInput& input,
                       const InterruptWatcher& interrupt) {
  while (!interrupt.interrupted()) {
    input.Wait(absl::Now() + kInterruptLook);
    for (const proto::WatchUpdate& update : input.Take()) {
      std::fputs(PlainText(update, flags.filter, absl::LocalTimeZone()).c_str(),
                 stdout);
      if (std::fflush(stdout) != 0) {
        return absl::UnavailableError("standard output was closed");
      }
    }
    if (const auto ended = input.ended()) return *ended;
  }
  return absl::OkStatus();
}

// What a change says, and the keys that ask for one.
void FollowChange(TopControl& control, ChangeRunner& runner, TopState& shown) {
  if (const auto change = control.TakeChange()) {
    shown.is_changing = true;
    runner.Start(*change);
  }
  if (const auto news = runner.Take()) {
    shown.message = news->text;
    shown.is_changing = !news->ended;
  }
}

absl::Status ShowScreen(const TopFlags& flags, TopInput& input,
                        ChangeFunction change,
                        const InterruptWatcher& interrupt) {
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<TopTerminal> terminal,
                         TopTerminal::Create());
  TopState shown;
  shown.filter = flags.filter;
  shown.is_replay = !flags.replay.empty();
  TopControl control(shown);
  ChangeRunner runner(std::move(change));
  TopScreen screen;
  screen.glyphs = terminal->has_utf8() ? Glyphs::Utf8() : Glyphs::Ascii();
  screen.zone = absl::LocalTimeZone();
  while (!interrupt.interrupted() && !control.quits()) {
    const auto ended = input.ended();
    // A screen that never showed anything is no place for the reason.
    if (ended && !shown.has_snapshot) return *ended;
    if (ended) {
      shown.notice =
          ended->ok() ? "the coordinator ended" : std::string(ended->message());
      if (shown.is_replay && ended->ok()) shown.notice = "end of the file";
    }
    screen.width = terminal->width();
    screen.height = terminal->height();
    terminal->Draw(LayOut(shown, screen));
    control.Press(terminal->ReadKey(kKeyPatience));
    FollowChange(control, runner, shown);
    if (shown.is_paused && !shown.is_replay) {
      // What comes meanwhile is older when it goes on; its events are kept.
      for (const proto::WatchUpdate& update : input.Take()) {
        proto::WatchUpdate events;
        *events.mutable_events() = update.events();
        *events.mutable_snapshot() = shown.snapshot;
        shown.Apply(events);
      }
    } else if (!shown.is_paused) {
      for (const proto::WatchUpdate& update : input.Take()) {
        shown.Apply(update);
      }
    }
  }
  const auto ended = input.ended();
  return ended ? *ended : absl::OkStatus();
}

absl::Status Top(const TopFlags& flags) {
  InterruptWatcher interrupt;
  const bool is_plain = flags.plain || isatty(STDOUT_FILENO) == 0;
  SHOAL_ASSIGN_OR_RETURN(Watched watched, WatchedOf(flags, is_plain));
  TopInput input(std::move(watched.source));
  return is_plain
             ? ShowPlain(flags, input, interrupt)
             : ShowScreen(flags, input, std::move(watched.change), interrupt);
}

absl::Status CheckTopFlags(const TopFlags& flags) {
  if (flags.replay.empty()) return absl::OkStatus();
  if (!flags.record.empty() || !flags.fleet.cluster.empty() ||
      !flags.fleet.coordinator.empty()) {
    return absl::InvalidArgumentError(
        "--replay shows a recorded file; leave out --record, --coordinator and "
        "the cluster file");
  }
  return absl::OkStatus();
}

}  // namespace

void AddTopVerb(Command& root) {
  Command& verb =
      root.AddVerb("top", "What a running fleet does, on one screen");
  auto flags = std::make_shared<TopFlags>();
  AddClusterFileArgument(verb, flags->fleet);
  AddOperatorFlags(verb, flags->fleet);
  verb.AddFlag({.names = "--rate",
                .value = "N",
                .help = "Updates per second, 1 to 4 (2)"},
               SetUint(&flags->rate, 1, 4));
  verb.AddFlag({.names = "--filter",
                .value = "TEXT",
                .help = "Show only devices with this in their name"},
               SetText(&flags->filter));
  verb.AddSwitch({.names = "--plain",
                  .help = "Print lines, for logs and screen readers; so, too, "
                          "where standard output is no terminal"},
                 &flags->plain);
  verb.AddFlag({.names = "--record",
                .value = "FILE",
                .help = "Also write all updates to a file"},
               SetText(&flags->record));
  verb.AddFlag({.names = "--replay",
                .value = "FILE",
                .help = "Show such a file instead of a fleet"},
               SetText(&flags->replay));
  verb.SetDetails(
      "Shows tokens per second, where the time of a token goes, every device,\n"
      "the plan, and what happened, with the command to copy. In the table of\n"
      "devices, mem+disk is the share of the weights that is kept in memory\n"
      "and that which is read for every token. In the plan, * is the hub of a\n"
      "stage and ! the device that the others wait for.\n"
      "Keys: q quit, space pause, f filter; the arrows select a device, d\n"
      "drains it, r resumes it, p plans anew, each after a question (see "
      "shoal\n"
      "help drain; not in a replay).\n"
      "Colours only repeat what text and shapes say; NO_COLOR turns them "
      "off.\n\n"
      "Examples:\n"
      "  shoal top home.textproto\n"
      "  shoal top --coordinator 127.0.0.1:7070 --plain --rate 1 >> fleet.log\n"
      "  shoal top --coordinator 127.0.0.1:7070 --record evening.shoal\n"
      "  shoal top --replay evening.shoal");
  verb.SetCheck([flags] { return CheckTopFlags(*flags); });
  verb.SetRunner([flags] { return Top(*flags); });
}

}  // namespace shoal::cli

// drain, resume, replan: what an operator changes of a fleet that serves.

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "cli/coordinator_client.h"
#include "cli/flag_values.h"
#include "cli/interrupt.h"
#include "cli/operator_flags.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "coordinator/fleet_change.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

using coordinator::FleetChange;
using Kind = FleetChange::Kind;

struct ChangeFlags {
  OperatorFlags fleet;
  FleetChange change;
  bool no_wait = false;
  bool json = false;
};

const char* WordOf(Kind kind) {
  switch (kind) {
    case Kind::kDrain:
      return "drain";
    case Kind::kResume:
      return "resume";
    case Kind::kReplan:
      break;
  }
  return "replan";
}

void Print(const ChangeFlags& flags, const ChangeState& state) {
  if (flags.json) {
    using nlohmann::json;
    json object = {{"change", WordOf(flags.change.kind)},
                   {"done", state.done},
                   {"text", state.text}};
    if (!flags.change.device.empty()) object["device"] = flags.change.device;
    if (state.done) {
      object["plan"] = state.epoch;
      object["devices"] = state.devices;
    }
    std::printf(
        "%s\n",
        object.dump(2, ' ', false, json::error_handler_t::replace).c_str());
    return;
  }
  std::printf("%s\n",
              state.done
                  ? absl::StrCat(state.text, "; plan ", state.epoch, " on ",
                                 absl::StrJoin(state.devices, ", "))
                        .c_str()
                  : state.text.c_str());
}

absl::Status Change(const ChangeFlags& flags) {
  InterruptWatcher interrupt;
  SHOAL_ASSIGN_OR_RETURN(const OperatorTarget found,
                         OperatorTargetOf(flags.fleet));
  CoordinatorClient client(found.target);
  Progress progress;
  bool accepted = false;
  const absl::StatusOr<ChangeState> state = client.Change(
      flags.change,
      [&](const ChangeState& news) {
        accepted = true;
        if (!news.done && !flags.no_wait) progress.Say(news.text);
        return !flags.no_wait;
      },
      interrupt.cancel());
  SHOAL_RETURN_IF_ERROR(state.status());
  if (interrupt.interrupted() && !state->done) {
    return absl::CancelledError(
        accepted ? "not waited for any more; the change goes on (shoal nodes)"
                 : "interrupted");
  }
  Print(flags, *state);
  return absl::OkStatus();
}

Command& AddChangeVerb(Command& root, const char* summary, Kind kind,
                       const char* device_help) {
  Command& verb = root.AddVerb(WordOf(kind), summary);
  auto flags = std::make_shared<ChangeFlags>();
  flags->change.kind = kind;
  if (kind == Kind::kReplan) {
    AddClusterFileArgument(verb, flags->fleet);
  } else {
    verb.AddFlag({.names = "DEVICE", .help = device_help, .required = true},
                 SetText(&flags->change.device));
  }
  AddOperatorFlags(verb, flags->fleet);
  verb.AddFlag({.names = "--grace",
                .value = "TIME",
                .help = "How long requests under way may take to finish (30s); "
                        "what runs then goes on with the new plan"},
               SetDuration(&flags->change.patience));
  verb.AddSwitch(
      {.names = "--no-wait", .help = "Return when the change is accepted"},
      &flags->no_wait);
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.SetRunner([flags] { return Change(*flags); });
  return verb;
}

}  // namespace

void AddDrainVerb(Command& root) {
  AddChangeVerb(root, "Takes a device out of a running fleet", Kind::kDrain,
                "The device that is to do nothing")
      .SetDetails(
          "For a device that is to be updated, moved or used for something\n"
          "else: shoal serve plans the model for the others, lets requests\n"
          "finish while new ones wait, and loads it there. The worker goes on\n"
          "running with its store, and shoal resume takes it back; nobody\n"
          "waits for it meanwhile, also when its worker is ended. If the "
          "model\n"
          "would not fit without it, nothing is changed and the reason is\n"
          "said. Of --shares the others keep theirs; with --parallel "
          "tp=A,pp=B\n"
          "there must be a device for each place, so it is refused. The\n"
          "coordinator's own device cannot be drained.\n\n"
          "Examples:\n"
          "  shoal drain pi4-b\n"
          "  shoal drain pi4-b --coordinator 127.0.0.1:7070 --grace 5s");
}

void AddResumeVerb(Command& root) {
  AddChangeVerb(root, "Takes a drained device back into a running fleet",
                Kind::kResume, "The device that was drained")
      .SetDetails(
          "As shoal drain, the other way round. What it has in its store is\n"
          "not sent again.\n\n"
          "Example:\n  shoal resume pi4-b");
}

void AddReplanVerb(Command& root) {
  AddChangeVerb(root,
                "Plans a running fleet anew for the devices that are here",
                Kind::kReplan, "")
      .SetDetails(
          "Also takes in those that joined after the model was loaded. Rates\n"
          "are those that each device measured when it joined.\n\n"
          "Examples:\n"
          "  shoal replan home.textproto\n"
          "  shoal replan --coordinator 127.0.0.1:7070 --json");
}

}  // namespace shoal::cli

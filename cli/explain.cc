#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/coordinator_client.h"
#include "cli/explain_text.h"
#include "cli/fleet_cost.h"
#include "cli/operator_flags.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

constexpr absl::string_view kClearScreen = "\033[H\033[2J";

struct ExplainFlags {
  OperatorFlags client;
  bool live = false;
  bool json = false;
};

// What there is to say of a snapshot, with its last newline.
absl::StatusOr<std::string> Explain(const proto::FleetSnapshot& snapshot,
                                    const ExplainFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(
      MeasuredCost cost,
      CostOf(snapshot, flags.live ? CostSpan::kNow : CostSpan::kTotal));
  SHOAL_ASSIGN_OR_RETURN(const parallel::TokenModel model,
                         parallel::TokenModel::Create(std::move(cost.fleet)));
  const parallel::Diagnosis diagnosis = parallel::Diagnose(model);
  const BestSingleDevice single = {
      snapshot.best_single_device(),
      absl::Milliseconds(snapshot.best_single_ms_per_token())};
  if (!flags.json) return ExplainText(model, diagnosis, cost.tokens, single);
  return absl::StrCat(ExplainJson(model, diagnosis, cost.tokens, single)
                          .dump(flags.live ? -1 : 2, ' ', false,
                                nlohmann::json::error_handler_t::replace),
                      "\n");
}

absl::Status Run(const ExplainFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const OperatorTarget found,
                         OperatorTargetOf(flags.client));
  CoordinatorClient client(found.target);
  const bool redraws = flags.live && !flags.json && isatty(STDOUT_FILENO) != 0;
  const std::atomic<bool> never = false;
  absl::Status result;
  const absl::Status watched = client.Watch(
      1,
      [&](const proto::WatchUpdate& update) {
        const auto text = Explain(update.snapshot(), flags);
        // Between two answers there is nothing to explain.
        const bool pauses = flags.live && !text.ok();
        if (!text.ok() && !pauses) {
          result = text.status();
          return false;
        }
        if (redraws) std::fputs(std::string(kClearScreen).c_str(), stdout);
        if (!pauses) {
          std::fputs(text->c_str(), stdout);
        } else if (redraws) {
          std::puts(std::string(text.status().message()).c_str());
        }
        if (std::fflush(stdout) != 0) {
          result = absl::UnavailableError("standard output was closed");
        }
        return flags.live && result.ok();
      },
      never);
  SHOAL_RETURN_IF_ERROR(watched);
  return result;
}

}  // namespace

void AddExplainVerb(Command& root) {
  Command& verb = root.AddVerb(
      "explain", "Where a token's time goes, what binds, and what would help");
  auto flags = std::make_shared<ExplainFlags>();
  AddClusterFileArgument(verb, flags->client);
  AddOperatorFlags(verb, flags->client);
  verb.AddSwitch({.names = "--live",
                  .help = "Explain the last seconds, every second, until "
                          "interrupted; else all tokens of the plan, once"},
                 &flags->live);
  verb.AddSwitch({.names = "--json", .help = "Print one JSON object instead"},
                 &flags->json);
  verb.SetDetails(
      "Names the device and the cause that bind a running fleet: a processor,\n"
      "a disk, a memory that is too small for its share, or a link. Then what\n"
      "would help, the cheapest first, with the time of a token that is\n"
      "expected of it. A device is awaited for as long as a hub waits for it\n"
      "as the last one; its own waiting is for the others and for the wire.\n\n"
      "Examples:\n"
      "  shoal explain home.textproto\n"
      "  shoal explain --coordinator 127.0.0.1:7070 --live");
  verb.SetRunner([flags] { return Run(*flags); });
}

}  // namespace shoal::cli

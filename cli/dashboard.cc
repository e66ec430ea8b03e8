#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/coordinator_client.h"
#include "cli/flag_values.h"
#include "cli/fleet_follower.h"
#include "cli/http_flags.h"
#include "cli/interrupt.h"
#include "cli/operator_flags.h"
#include "cli/verbs.h"
#include "dashboard/dashboard_server.h"

namespace shoal::cli {
namespace {

using dashboard::DashboardServer;

constexpr absl::Duration kInterruptLook = absl::Milliseconds(200);
constexpr absl::Duration kRetry = absl::Seconds(1);
constexpr absl::Duration kModelTimeout = absl::Seconds(5);
// A page that does not read for so long has its connection closed.
constexpr absl::Duration kWriteSilence = absl::Seconds(10);

struct DashboardFlags {
  OperatorFlags fleet;
  HttpFlags http = {.address = "127.0.0.1:8090"};
  uint32_t rate = 2;
};

absl::StatusOr<dashboard::ChatModel> ModelOf(const ClientTarget& target) {
  CoordinatorClient client(target);
  SHOAL_ASSIGN_OR_RETURN(const std::optional<ServedModel> model,
                         client.Model(kModelTimeout));
  if (!model) return dashboard::ChatModel();
  return dashboard::ChatModel{model->name, model->context_positions,
                              model->has_chat_template};
}

absl::StatusOr<DashboardServer::Options> ServerOptionsOf(
    const DashboardFlags& flags, const ClientTarget& target) {
  DashboardServer::Options options;
  SHOAL_ASSIGN_OR_RETURN(const HostPort address, HttpAddressOf(flags.http));
  options.host = address.host;
  options.port = address.port;
  SHOAL_ASSIGN_OR_RETURN(options.access.api_key, ApiKeyOf(flags.http));
  options.access.host_names = flags.http.host_names;
  options.limits.write_silence = kWriteSilence;
  options.model = [target] { return ModelOf(target); };
  options.generate = [target](const auto& request, const auto& on_text,
                              const std::atomic<bool>& cancel) {
    return CoordinatorClient(target).Generate(request, on_text, cancel);
  };
  options.change = [target](const auto& change) -> absl::StatusOr<std::string> {
    std::atomic<bool> cancel = false;
    SHOAL_ASSIGN_OR_RETURN(
        const ChangeState state,
        CoordinatorClient(target).Change(
            change, [](const ChangeState&) { return false; }, cancel));
    return state.text;
  };
  return options;
}

absl::Status Dashboard(const DashboardFlags& flags) {
  InterruptWatcher interrupt;
  SHOAL_ASSIGN_OR_RETURN(const OperatorTarget found,
                         OperatorTargetOf(flags.fleet));
  SHOAL_ASSIGN_OR_RETURN(DashboardServer::Options options,
                         ServerOptionsOf(flags, found.target));
  const std::string host = options.host;
  dashboard::LiveFeed feed;
  SHOAL_ASSIGN_OR_RETURN(const auto server,
                         DashboardServer::Start(std::move(options), feed));
  // Before the server ends, which waits for its answers.
  const absl::Cleanup close = [&feed] { feed.Close(); };
  const FleetFollower follower(found.target, flags.rate, kRetry, feed);
  std::fprintf(stderr, "dashboard at %s/ of the coordinator at %s\n",
               HttpUrl(host, server->port()).c_str(),
               found.target.address.c_str());
  while (!interrupt.interrupted() && server->serving()) {
    absl::SleepFor(kInterruptLook);
  }
  if (interrupt.interrupted()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "the dashboard takes no connections any more, because its socket at "
      "port ",
      server->port(), " failed; start it again"));
}

}  // namespace

void AddDashboardVerb(Command& root) {
  Command& verb = root.AddVerb(
      "dashboard", "What a running fleet does, as a page for a browser");
  auto flags = std::make_shared<DashboardFlags>();
  AddClusterFileArgument(verb, flags->fleet);
  AddOperatorFlags(verb, flags->fleet);
  verb.AddFlag({.names = "--rate",
                .value = "N",
                .help = "Updates per second, 1 to 4 (2)"},
               SetUint(&flags->rate, 1, 4));
  AddHttpFlags("Page", verb, flags->http);
  verb.SetDetails(
      "The page shows what shoal top shows, with plots over time and a chat,\n"
      "and buttons to drain and resume devices.\n"
      "It needs nothing from elsewhere, so it works without an internet. If\n"
      "the coordinator ends, the page says so and waits for it to be back.\n"
      "With --api-key-file the page asks for the key. HTTP is not encrypted.\n"
      "\n"
      "Examples:\n"
      "  shoal dashboard home.textproto\n"
      "  shoal dashboard --http :8090 --coordinator 127.0.0.1:7070\n"
      "  shoal dashboard --http 0.0.0.0:8090 --api-key-file KEY");
  verb.SetCheck([flags] { return CheckHttpFlags(flags->http); });
  verb.SetRunner([flags] { return Dashboard(*flags); });
}

}  // namespace shoal::cli

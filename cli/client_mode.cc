#include "cli/client_mode.h"

#include <cstdio>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kAnswerTimeout = absl::Seconds(3);
constexpr absl::Duration kAskInterval = absl::Milliseconds(200);

absl::StatusOr<ClientTarget> TargetOf(const WhereFlags& where) {
  ClientTarget target;
  if (!where.cluster.empty()) {
    SHOAL_ASSIGN_OR_RETURN(const ClusterConfig config,
                           ReadClusterConfig(where.cluster));
    SHOAL_ASSIGN_OR_RETURN(target, ClientTargetOf(config));
  }
  if (!where.coordinator.empty()) target.address = where.coordinator;
  if (!where.secrets.empty()) {
    ClusterConfig fleet;
    fleet.listen = target.address;
    fleet.secrets = where.secrets;
    SHOAL_ASSIGN_OR_RETURN(target, ClientTargetOf(fleet));
  }
  if (!where.token_file.empty()) {
    SHOAL_ASSIGN_OR_RETURN(target.token, ReadTokenFile(where.token_file));
    SHOAL_RETURN_IF_ERROR(TrustByToken(target));
  }
  return target;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CoordinatorClient>> ChooseCoordinator(
    const WhereFlags& where, bool has_model) {
  const bool is_asked_for = !where.coordinator.empty();
  if (is_asked_for && has_model) {
    return absl::InvalidArgumentError(
        "--model and --coordinator: the coordinator there has its own model; "
        "leave one of them out");
  }
  if (!is_asked_for && (where.cluster.empty() || has_model)) return nullptr;
  SHOAL_ASSIGN_OR_RETURN(const ClientTarget target, TargetOf(where));
  SHOAL_ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(target.address));
  // Any free port: nobody can be there yet.
  if (address.port == 0) return nullptr;
  auto client = std::make_unique<CoordinatorClient>(target);
  const auto state = client->State(kAnswerTimeout);
  if (absl::IsUnavailable(state.status()) && !is_asked_for) return nullptr;
  SHOAL_RETURN_IF_ERROR(state.status());
  std::fprintf(stderr, "asking the coordinator %s at %s\n",
               state->coordinator_name.c_str(), target.address.c_str());
  return client;
}

absl::StatusOr<ServedModel> WaitForModel(CoordinatorClient& client,
                                         absl::Duration timeout,
                                         const InterruptWatcher& interrupt) {
  const absl::Time deadline = absl::Now() + timeout;
  bool told = false;
  while (!interrupt.interrupted()) {
    SHOAL_ASSIGN_OR_RETURN(const std::optional<ServedModel> model,
                           client.Model(kAnswerTimeout));
    if (model) return *model;
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the coordinator has had no model ready for ",
          absl::FormatDuration(timeout), "; shoal status tells why"));
    }
    if (!told) std::fputs("it has no model ready yet: waiting\n", stderr);
    told = true;
    absl::SleepFor(kAskInterval);
  }
  return absl::CancelledError("interrupted");
}

}  // namespace shoal::cli

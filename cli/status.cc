#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"
#include "cli/coordinator_client.h"
#include "cli/fleet_view.h"
#include "cli/operator_flags.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

struct StatusFlags {
  OperatorFlags fleet;
  bool json = false;
};

struct Asked {
  std::string address;
  FleetView view;
};

absl::StatusOr<Asked> Ask(const StatusFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const auto where, OperatorTargetOf(flags.fleet));
  const auto& [config, target] = where;
  CoordinatorClient client(target);
  constexpr absl::Duration kTimeout = absl::Seconds(5);
  absl::StatusOr<FleetState> state = client.State(kTimeout);
  if (absl::IsUnavailable(state.status())) {
    return absl::UnavailableError(absl::StrCat(
        state.status().message(), "; start one with shoal serve, chat or run"));
  }
  SHOAL_RETURN_IF_ERROR(state.status());
  return Asked{target.address, ViewOf(*std::move(state), config.devices)};
}

// Exit code 1 if something is wrong.
absl::Status Verdict(const FleetView& view) {
  if (view.faults.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("degraded: ", absl::StrJoin(view.faults, "; ")));
}

std::string ShareText(const FleetView& view, const NodeView& node) {
  if (!node.device.rank) return "";
  const double part = view.share_bytes == 0
                          ? 0
                          : 100.0 *
                                static_cast<double>(node.device.share_bytes) /
                                static_cast<double>(view.share_bytes);
  return absl::StrCat(base::FormatByteSize(node.device.share_bytes), " (",
                      static_cast<int>(part + 0.5), " %)");
}

void PrintTable(const FleetView& view) {
  Table table({"device", "state", "rank", "share", "memory", "threads", "isa",
               "version"});
  for (const size_t column : {2, 3, 4, 5}) table.AlignRight(column);
  for (const NodeView& node : view.nodes) {
    const FleetDevice& device = node.device;
    const bool is_here = node.is_here;
    table.AddRow({device.name, node.state,
                  device.rank ? absl::StrCat(*device.rank) : "",
                  ShareText(view, node),
                  is_here ? base::FormatByteSize(device.budget_bytes) : "",
                  is_here ? absl::StrCat(device.threads) : "", device.isa,
                  device.program_version});
  }
  std::fputs(table.Text().c_str(), stdout);
}

void PrintJson(const Asked& asked, bool with_model) {
  using nlohmann::json;
  const FleetView& view = asked.view;
  json nodes = json::array();
  for (const NodeView& node : view.nodes) {
    const FleetDevice& device = node.device;
    nodes.push_back({{"name", device.name},
                     {"state", node.state},
                     {"coordinator", device.is_coordinator},
                     {"rank", device.rank ? json(*device.rank) : json()},
                     {"units", device.unit_count},
                     {"share_bytes", device.share_bytes},
                     {"budget_bytes", device.budget_bytes},
                     {"threads", device.threads},
                     {"isa", device.isa},
                     {"silent_ms", absl::ToInt64Milliseconds(device.silent)},
                     {"version", device.program_version}});
  }
  json object = {{"coordinator", view.state.coordinator_name},
                 {"address", asked.address},
                 {"faults", view.faults},
                 {"devices", nodes}};
  if (with_model) {
    object["model"] = view.state.model_name;
    object["ready"] = view.state.ready;
    object["failure"] = view.state.failure;
    object["version"] = view.state.program_version;
  }
  std::printf(
      "%s\n",
      object.dump(2, ' ', false, json::error_handler_t::replace).c_str());
}

absl::Status Status(const StatusFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const Asked asked, Ask(flags));
  const FleetState& state = asked.view.state;
  if (flags.json) {
    PrintJson(asked, true);
    return Verdict(asked.view);
  }
  std::printf("coordinator %s at %s, shoal %s\n",
              state.coordinator_name.c_str(), asked.address.c_str(),
              state.program_version.c_str());
  if (state.model_name.empty()) {
    std::printf("no model is loaded yet\n");
  } else {
    std::printf("model %s: %s\n", state.model_name.c_str(),
                state.ready             ? "ready"
                : state.failure.empty() ? "loading"
                                        : "not running any more");
  }
  PrintTable(asked.view);
  return Verdict(asked.view);
}

absl::Status Nodes(const StatusFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const Asked asked, Ask(flags));
  if (flags.json) {
    PrintJson(asked, false);
  } else {
    PrintTable(asked.view);
  }
  return Verdict(asked.view);
}

void AddStatusFlags(Command& verb, StatusFlags& flags) {
  AddClusterFileArgument(verb, flags.fleet);
  AddOperatorFlags(verb, flags.fleet);
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags.json);
}

}  // namespace

void AddStatusVerb(Command& root) {
  Command& verb = root.AddVerb("status", "How a running fleet is");
  auto flags = std::make_shared<StatusFlags>();
  AddStatusFlags(verb, *flags);
  verb.SetDetails(
      "Asks the coordinator. The exit code is 1 if nobody answers, or if the "
      "fleet\n"
      "is degraded: a device of the file is missing, or the model stopped "
      "running.\n\n"
      "Example:\n  shoal status home.textproto");
  verb.SetRunner([flags] { return Status(*flags); });
}

void AddNodesVerb(Command& root) {
  Command& verb = root.AddVerb("nodes", "The devices of a running fleet");
  auto flags = std::make_shared<StatusFlags>();
  AddStatusFlags(verb, *flags);
  verb.SetDetails(
      "States: coordinator and serving hold a part of the model, joined does "
      "not\n"
      "yet, drained is to have none (shoal drain); missing is in the file and\n"
      "not here, away likewise but optional or drained.\n"
      "Exit codes as of shoal status.\n\n"
      "Example:\n  shoal nodes --coordinator 192.168.1.10:7070 --json");
  verb.SetRunner([flags] { return Nodes(*flags); });
}

}  // namespace shoal::cli

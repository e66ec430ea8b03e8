#include "cli/fleet_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::cli {
namespace {

// The coordinator hears of a worker that is well more often than this.
constexpr absl::Duration kSilenceMax = absl::Seconds(3);

std::string StateOf(const FleetDevice& device) {
  if (device.is_coordinator) return "coordinator";
  if (device.silent > kSilenceMax) return "silent";
  if (device.is_drained) return "drained";
  return device.rank ? "serving" : "joined";
}

}  // namespace

FleetView ViewOf(FleetState state, const std::vector<ClusterDevice>& devices) {
  FleetView view;
  for (const ClusterDevice& device : devices) {
    const auto here = std::find_if(
        state.devices.begin(), state.devices.end(),
        [&](const FleetDevice& other) { return other.name == device.name; });
    NodeView node;
    if (here != state.devices.end()) {
      node.device = *here;
      node.state = StateOf(*here);
    } else {
      node.device.name = device.name;
      node.is_here = false;
      const bool is_drained =
          std::find(state.drained.begin(), state.drained.end(), device.name) !=
          state.drained.end();
      node.state = device.optional || is_drained ? "away" : "missing";
      if (node.state == "missing") {
        view.faults.push_back(absl::StrCat(device.name, " is missing"));
      }
    }
    view.nodes.push_back(std::move(node));
  }
  for (const FleetDevice& device : state.devices) {
    view.share_bytes += device.share_bytes;
    if (std::none_of(devices.begin(), devices.end(), [&](const auto& known) {
          return known.name == device.name;
        })) {
      view.nodes.push_back({device, true, StateOf(device)});
    }
    if (StateOf(device) == "silent") {
      view.faults.push_back(absl::StrCat(device.name, " has been silent for ",
                                         absl::FormatDuration(device.silent)));
    }
  }
  if (!state.failure.empty()) view.faults.push_back(state.failure);
  view.state = std::move(state);
  return view;
}

}  // namespace shoal::cli

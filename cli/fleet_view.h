// A fleet as an operator sees it: what the coordinator says, held against the
// cluster file.

#ifndef SHOAL_CLI_FLEET_VIEW_H_
#define SHOAL_CLI_FLEET_VIEW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/cluster_config.h"
#include "cli/coordinator_client.h"

namespace shoal::cli {

struct NodeView {
  FleetDevice device;
  bool is_here = true;
  // coordinator, serving, joined, drained, silent; of devices that are not
  // here: missing, or away if they are optional or drained.
  std::string state;
};

struct FleetView {
  FleetState state;
  std::vector<NodeView> nodes;      // those of the file in its order first
  uint64_t share_bytes = 0;         // of all devices together
  std::vector<std::string> faults;  // none: all is well
};

// `devices` of the cluster file; none if there is no file.
FleetView ViewOf(FleetState state, const std::vector<ClusterDevice>& devices);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLEET_VIEW_H_

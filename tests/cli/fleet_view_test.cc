#include "cli/fleet_view.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ClusterDevice Listed(const std::string& name, bool optional = false) {
  ClusterDevice device;
  device.name = name;
  device.optional = optional;
  return device;
}

FleetDevice Here(const std::string& name, int rank, uint64_t share_bytes) {
  FleetDevice device;
  device.name = name;
  if (rank >= 0) device.rank = static_cast<uint32_t>(rank);
  device.is_coordinator = rank == 0;
  device.share_bytes = share_bytes;
  return device;
}

std::vector<std::string> StatesOf(const FleetView& view) {
  std::vector<std::string> states;
  for (const NodeView& node : view.nodes) {
    states.push_back(node.device.name + " " + node.state);
  }
  return states;
}

TEST(FleetViewTest, AFleetThatIsCompleteHasNoFaults) {
  FleetState state;
  state.ready = true;
  state.devices = {Here("desk", 0, 30), Here("pi", 1, 70), Here("new", -1, 0)};
  const FleetView view =
      ViewOf(state, {Listed("desk"), Listed("phone", true), Listed("pi")});
  EXPECT_THAT(StatesOf(view), ElementsAre("desk coordinator", "phone away",
                                          "pi serving", "new joined"));
  EXPECT_EQ(view.share_bytes, 100u);
  EXPECT_THAT(view.faults, IsEmpty());
}

TEST(FleetViewTest, ADrainedDeviceIsNoFaultHereOrAway) {
  FleetState state;
  state.devices = {Here("desk", 0, 30), Here("pi", -1, 0)};
  state.devices[1].is_drained = true;
  state.drained = {"pi", "pi4"};
  const FleetView view =
      ViewOf(state, {Listed("desk"), Listed("pi"), Listed("pi4")});
  EXPECT_THAT(StatesOf(view),
              ElementsAre("desk coordinator", "pi drained", "pi4 away"));
  EXPECT_THAT(view.faults, IsEmpty());
}

TEST(FleetViewTest, MissingSilentAndFailedAreFaults) {
  FleetState state;
  state.failure = "pi: out of memory";
  state.devices = {Here("desk", 0, 30), Here("pi", 1, 70)};
  state.devices[1].silent = absl::Seconds(5);
  const FleetView view = ViewOf(state, {Listed("desk"), Listed("pi4")});
  EXPECT_THAT(StatesOf(view),
              ElementsAre("desk coordinator", "pi4 missing", "pi silent"));
  EXPECT_THAT(view.faults,
              ElementsAre("pi4 is missing", "pi has been silent for 5s",
                          "pi: out of memory"));
}

}  // namespace
}  // namespace shoal::cli

#include "cli/fleet_cost.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;

// Two stages of two ranks, 3 and 2 layers, and the head.
proto::FleetSnapshot Snapshot() {
  proto::FleetSnapshot snapshot;
  proto::Plan& plan = *snapshot.mutable_plan();
  const uint32_t layers[] = {0, 3, 5, 6};
  const uint32_t hubs[] = {0, 2, 0};
  for (uint32_t s = 0; s < 3; ++s) {
    proto::Plan::Stage& stage = *plan.add_stages();
    stage.set_hub(hubs[s]);
    stage.set_layer_begin(layers[s]);
    stage.set_layer_end(layers[s + 1]);
  }
  for (uint32_t r = 0; r < 4; ++r) {
    plan.add_device_names("edge" + std::to_string(r + 1));
    for (const uint32_t stage : {r / 2, 2u}) {
      proto::PlanCell& cell = *snapshot.add_cells();
      cell.set_stage(stage);
      cell.set_rank(r);
      cell.set_bytes(stage == 2 ? 9000 : 1000);
    }
    proto::DeviceSnapshot& device = *snapshot.add_devices();
    device.mutable_status()->set_rank(r);
    proto::DeviceProfile& profile = *device.mutable_status()->mutable_profile();
    profile.set_name(plan.device_names(static_cast<int>(r)));
    profile.set_disk_bytes_per_second(5e8);
    device.set_share_bytes(1000);
    device.set_resident_bytes(400);
    device.set_budget_bytes(3000);
    device.set_peak_rss_bytes(2500);
    if (r > 0) device.set_round_trip_ms(0.5 * r);
    for (auto* time :
         {device.mutable_token_total(), device.mutable_token_now()}) {
      time->set_tokens(8);
      time->set_compute_ms(4);
      time->set_disk_ms(3);
      time->set_exchange_ms(2);
      time->set_blocked_ms(1);
      time->set_read_bytes(600);
    }
  }
  return snapshot;
}

TEST(FleetCostTest, TakesTheMeansOfEachDevice) {
  proto::FleetSnapshot snapshot = Snapshot();
  snapshot.mutable_devices(1)->mutable_token_now()->set_compute_ms(7);
  const auto cost = CostOf(snapshot, CostSpan::kTotal);
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(cost->tokens, 8u);
  ASSERT_EQ(cost->fleet.devices.size(), 4u);
  const parallel::DeviceCost& device = cost->fleet.devices[1];
  EXPECT_EQ(device.name, "edge2");
  EXPECT_EQ(device.compute, absl::Milliseconds(4));
  EXPECT_EQ(device.stall, absl::Milliseconds(3));
  EXPECT_EQ(device.exchange, absl::Milliseconds(2));
  EXPECT_EQ(device.wait, absl::Milliseconds(1));
  EXPECT_EQ(device.round_trip, absl::Milliseconds(0.5));
  EXPECT_EQ(device.share_bytes, 1000u);
  EXPECT_EQ(device.resident_bytes, 400u);
  EXPECT_EQ(device.budget_bytes, 3000u);
  EXPECT_EQ(device.peak_bytes, 2500u);
  EXPECT_EQ(device.read_bytes, 600);
  EXPECT_EQ(device.disk_bytes_per_second, 5e8);
  EXPECT_FALSE(cost->fleet.devices[0].round_trip);
  const auto now = CostOf(snapshot, CostSpan::kNow);
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(now->fleet.devices[1].compute, absl::Milliseconds(7));
}

TEST(FleetCostTest, KnowsStagesHubsAndExchanges) {
  const auto cost = CostOf(Snapshot(), CostSpan::kTotal);
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(cost->fleet.stage_count, 2u);
  EXPECT_EQ(cost->fleet.exchange_count, 11u);
  const auto& devices = cost->fleet.devices;
  // Whatever a rank has of the head.
  EXPECT_EQ(devices[1].stage, 0u);
  EXPECT_EQ(devices[3].stage, 1u);
  EXPECT_TRUE(devices[0].is_hub);
  EXPECT_FALSE(devices[1].is_hub);
  EXPECT_TRUE(devices[2].is_hub);
}

TEST(FleetCostTest, ADeviceIsAwaitedByAllHubs) {
  proto::FleetSnapshot snapshot = Snapshot();
  for (const int hub : {0, 2}) {
    auto* time = snapshot.mutable_devices(hub)->mutable_token_total();
    for (const double wait : {0.0, 0.0, 0.0, 6.0, 99.0}) {
      time->add_waited_for_ms(wait);  // one more than there are ranks
    }
  }
  const auto cost = CostOf(snapshot, CostSpan::kTotal);
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(cost->fleet.devices[3].awaited, absl::Milliseconds(12));
  EXPECT_EQ(cost->fleet.devices[1].awaited, absl::ZeroDuration());
}

TEST(FleetCostTest, WhatIsNotThereYetIsSaid) {
  EXPECT_THAT(
      CostOf(proto::FleetSnapshot(), CostSpan::kTotal).status().message(),
      HasSubstr("no model is loaded"));
  proto::FleetSnapshot snapshot = Snapshot();
  snapshot.mutable_devices(2)->clear_token_now();
  EXPECT_TRUE(CostOf(snapshot, CostSpan::kTotal).ok());
  const absl::Status now = CostOf(snapshot, CostSpan::kNow).status();
  EXPECT_EQ(now.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(now.message(), HasSubstr("edge3 has not told of a token lately"));
  snapshot.mutable_devices(1)->mutable_status()->set_rank(77);
  EXPECT_THAT(CostOf(snapshot, CostSpan::kTotal).status().message(),
              HasSubstr("edge2 has not told of a token yet"));
}

}  // namespace
}  // namespace shoal::cli

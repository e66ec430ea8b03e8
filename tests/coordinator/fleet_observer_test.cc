#include "coordinator/fleet_observer.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/fleet_snapshot.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Two devices that share one layer of two units, and a head.
class FleetObserverTest : public ::testing::Test {
 protected:
  FleetObserverTest() {
    facts_.time = absl::FromUnixSeconds(1'000'000'000);
    facts_.ready = true;
    facts_.model_name = "toy";
    facts_.units = std::make_shared<const std::vector<base::UnitSpec>>(
        std::vector<base::UnitSpec>{
            {{0, 0, base::UnitKind::kFfn, 0, 0}, 1000, 10},
            {{0, 0, base::UnitKind::kFfn, 0, 1}, 1000, 10},
            {{1, 0, base::UnitKind::kHead, 0, 0}, 500, 5}});
    parallel::Plan plan;
    plan.epoch = 1;
    plan.device_names = {"desk", "pi4"};
    plan.stages = {{0, 0, 1}, {0, 1, 2}};
    plan.ranges = {{0, 0, 1}, {1, 1, 2}, {0, 2, 3}};
    facts_.plan = plan;
    for (int32_t rank = 0; rank < 2; ++rank) {
      DeviceFacts& device = facts_.devices.emplace_back();
      device.state.profile.name = plan.device_names[static_cast<size_t>(rank)];
      device.state.profile.budget_bytes = 512 * kMiB;
      device.state.rank = rank;
      device.report.emplace();
      device.report->epoch = 1;
      device.report->budget_bytes = 512 * kMiB;
      device.report->share_bytes = 300 * kMiB;
      device.report->resident_bytes = 200 * kMiB;
      device.report_time = facts_.time;
    }
  }

  parallel::RankReport& report(size_t rank) {
    return *facts_.devices[rank].report;
  }

  // A second passes in which ten tokens come; times in milliseconds each.
  void RunTokens(double work0, double work1) {
    facts_.time += absl::Seconds(1);
    facts_.running = {MeteredRequest{.number = 1}};
    const double work[] = {work0, work1};
    const double total = std::max(work0, work1) + 5;
    for (size_t rank = 0; rank < 2; ++rank) {
      facts_.devices[rank].report_time = facts_.time;
      report(rank).all.passes += 10;
      report(rank).decode_passes += 10;
      report(rank).compute += absl::Milliseconds(10 * work[rank]);
      report(rank).wait += absl::Milliseconds(10 * (total - work[rank]));
    }
    observer_.Observe(facts_);
  }
  void PassSecond() {
    facts_.time += absl::Seconds(1);
    observer_.Observe(facts_);
  }

  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const FleetEvent& event : events_.Since(0)) {
      texts.push_back(absl::StrCat(event.device, ": ", event.text));
    }
    return texts;
  }

  EventLog events_;
  FleetObserver observer_{events_};
  FleetFacts facts_;
};

TEST_F(FleetObserverTest, SplitsATokenOverTheFleet) {
  RunTokens(30, 50);
  RunTokens(30, 50);
  ASSERT_TRUE(observer_.split_now().has_value());
  const TokenParts& fleet = observer_.split_now()->fleet;
  EXPECT_DOUBLE_EQ(fleet.total_ms(), 55);
  EXPECT_DOUBLE_EQ(fleet.compute_ms, 40);
  EXPECT_DOUBLE_EQ(fleet.wait_ms, 10);
  EXPECT_DOUBLE_EQ(fleet.wire_ms, 5);
  const proto::FleetSnapshot snapshot = SnapshotOf(facts_, observer_);
  EXPECT_DOUBLE_EQ(snapshot.token_now().ms_per_token(), 55);
  EXPECT_EQ(snapshot.token_total().tokens(), 20u);
  ASSERT_EQ(snapshot.cells_size(), 3);
  EXPECT_FALSE(snapshot.cells(0).is_slowest());
  EXPECT_TRUE(snapshot.cells(1).is_slowest());
  EXPECT_FALSE(snapshot.cells(2).is_slowest());
  ASSERT_EQ(snapshot.devices_size(), 2);
  EXPECT_DOUBLE_EQ(snapshot.devices(0).token_now().wait_ms(), 20);
  EXPECT_EQ(snapshot.devices(1).streamed_bytes(), 100 * kMiB);
  EXPECT_EQ(snapshot.devices(1).state(), proto::DeviceSnapshot::SERVING);
}

TEST_F(FleetObserverTest, TellsOnceWhoTheOthersWaitFor) {
  for (int i = 0; i < FleetObserver::kStragglerCount - 1; ++i) {
    RunTokens(20, 60);
  }
  EXPECT_THAT(Texts(), IsEmpty());
  for (int i = 0; i < 5; ++i) RunTokens(20, 60);
  ASSERT_EQ(Texts().size(), 1u);
  EXPECT_THAT(Texts()[0], HasSubstr("pi4: the others wait for it: it takes "
                                    "60.0 ms of a token"));
}

TEST_F(FleetObserverTest, ASmallDifferenceIsNoStraggler) {
  for (int i = 0; i < 10; ++i) RunTokens(50, 60);
  EXPECT_THAT(Texts(), IsEmpty());
}

TEST_F(FleetObserverTest, TellsWhenMemoryGetsShortAndNotWhenTextsGrow) {
  PassSecond();
  report(1).resident_bytes = 190 * kMiB;  // made room for KV
  PassSecond();
  EXPECT_THAT(Texts(), IsEmpty());
  report(1).budget_bytes = 400 * kMiB;
  report(1).resident_bytes = 90 * kMiB;
  PassSecond();
  ASSERT_EQ(Texts().size(), 1u);
  EXPECT_THAT(Texts()[0], HasSubstr("pi4: memory is short"));
  EXPECT_THAT(Texts()[0], HasSubstr("400"));
  EXPECT_THAT(Texts()[0], HasSubstr("190 MiB -> 90 MiB"));
}

TEST_F(FleetObserverTest, ANewPlanIsNoPressureOnMemory) {
  PassSecond();
  facts_.plan->epoch = 2;
  for (size_t rank = 0; rank < 2; ++rank) {
    report(rank).epoch = 2;
    report(rank).budget_bytes = 300 * kMiB;
  }
  PassSecond();
  EXPECT_THAT(Texts(), IsEmpty());
}

TEST_F(FleetObserverTest, TellsOnceThatThePlanEnded) {
  PassSecond();
  facts_.failure = absl::UnavailableError("pi4 is gone");
  PassSecond();
  PassSecond();
  ASSERT_EQ(Texts().size(), 1u);
  EXPECT_THAT(Texts()[0], HasSubstr("pi4 is gone"));
  EXPECT_EQ(events_.Since(0)[0].severity, Severity::kError);
  EXPECT_EQ(SnapshotOf(facts_, observer_).devices(1).state(),
            proto::DeviceSnapshot::FAILED);
}

TEST_F(FleetObserverTest, ADeviceThatLeftIsShownForAMinute) {
  PassSecond();
  facts_.devices.pop_back();
  PassSecond();
  const proto::FleetSnapshot snapshot = SnapshotOf(facts_, observer_);
  ASSERT_EQ(snapshot.devices_size(), 2);
  EXPECT_EQ(snapshot.devices(1).state(), proto::DeviceSnapshot::LOST);
  EXPECT_EQ(snapshot.devices(1).status().profile().name(), "pi4");
  facts_.time += FleetObserver::kLostShown;
  PassSecond();
  EXPECT_EQ(SnapshotOf(facts_, observer_).devices_size(), 1);
}

TEST_F(FleetObserverTest, TellsHeatOnlyWhereTheClockIsLowered) {
  parallel::DeviceHealth& health = report(1).health;
  health.temperature_c = 82;
  health.clock_mhz = 1500;
  health.clock_max_mhz = 1500;
  PassSecond();
  EXPECT_THAT(Texts(), IsEmpty());
  health.clock_mhz = 1000;
  PassSecond();
  PassSecond();
  ASSERT_EQ(Texts().size(), 1u);
  EXPECT_THAT(Texts()[0], HasSubstr("82 C, 1000 of 1500 MHz"));
}

TEST_F(FleetObserverTest, TellsABatteryThatRunsOut) {
  report(1).health.battery_percent = 12;
  report(1).health.battery_discharging = false;
  PassSecond();
  EXPECT_THAT(Texts(), IsEmpty());
  report(1).health.battery_discharging = true;
  PassSecond();
  ASSERT_EQ(Texts().size(), 1u);
  EXPECT_THAT(Texts()[0], HasSubstr("battery at 12 %"));
}

TEST_F(FleetObserverTest, TellsRequestsThatWereRefused) {
  PassSecond();
  facts_.queue.refused_count = 3;
  PassSecond();
  PassSecond();
  ASSERT_EQ(Texts().size(), 1u);
  EXPECT_THAT(Texts()[0], HasSubstr("3 requests refused"));
}

TEST_F(FleetObserverTest,
       TokensPerSecondAreOfTheLastSecondsWhileSomethingRuns) {
  const auto run = [this](uint64_t tokens, int64_t each_ms) {
    facts_.running = {MeteredRequest{.number = 1}};
    facts_.totals.later_tokens += tokens;
    facts_.totals.later_ns +=
        static_cast<int64_t>(tokens) * each_ms * 1'000'000;
    facts_.totals.last_token_ns = absl::ToUnixNanos(facts_.time);
    observer_.Observe(facts_);
  };
  run(0, 0);
  for (int i = 0; i < 5; ++i) {
    facts_.time += absl::Seconds(1);
    run(10, 100);
  }
  EXPECT_DOUBLE_EQ(observer_.TokensPerSecond(facts_.time), 10);
  for (int i = 0; i < 3; ++i) {
    facts_.time += absl::Seconds(1);
    run(5, 200);
  }
  EXPECT_DOUBLE_EQ(observer_.TokensPerSecond(facts_.time), 5);
  // A token is late.
  EXPECT_DOUBLE_EQ(observer_.TokensPerSecond(facts_.time + absl::Seconds(4)),
                   0.25);
  facts_.running.clear();
  PassSecond();
  EXPECT_EQ(observer_.TokensPerSecond(facts_.time), 0);
}

}  // namespace
}  // namespace shoal::coordinator

#include "coordinator/fleet_watch.h"

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/operator.pb.h"
#include "tests/testing/simulated_clock.h"

namespace shoal::coordinator {
namespace {

// Time moves when both the test and the watch's thread wait.
class FleetWatchTest : public ::testing::Test {
 protected:
  FleetWatchTest() {
    FleetWatch::Options options;
    options.ask = [this] { ++asks_; };
    options.look = [this] {
      FleetFacts facts;
      facts.time = clock_.Now();
      facts.devices.emplace_back();
      facts.devices[0].state.profile.name = "desk";
      ++looks_;
      facts.ready = is_ready_;
      if (has_plan_) {
        facts.plan.emplace();
        facts.plan->epoch = 1;
        facts.plan->device_names = {"desk"};
        facts.plan->stages = {{.hub = 0, .layer_begin = 0, .layer_end = 1}};
        facts.units = std::make_shared<const std::vector<base::UnitSpec>>();
      }
      if (is_running_) facts.running.emplace_back();
      facts.totals.generated_tokens = generates_ ? looks_.load() : 0;
      return facts;
    };
    options.events = &events_;
    options.clock = &clock_;
    watch_ = std::make_unique<FleetWatch>(std::move(options));
  }
  ~FleetWatchTest() override { clock_.RunFree(); }

  std::unique_ptr<FleetWatch::Watcher> Subscribe(double rate) {
    auto watcher = watch_->Subscribe(rate);
    EXPECT_TRUE(watcher.ok()) << watcher.status();
    return *std::move(watcher);
  }
  // How many updates come within `time`.
  int CountIn(FleetWatch::Watcher& watcher, absl::Duration time) {
    const absl::Time deadline = clock_.Now() + time;
    proto::WatchUpdate update;
    int count = 0;
    while (watcher.Next(deadline, update)) ++count;
    return count;
  }

  testing::SimulatedClock clock_{2};
  EventLog events_{&clock_};
  std::atomic<bool> generates_ = true;
  std::atomic<bool> is_ready_ = true;
  std::atomic<bool> has_plan_ = false;
  std::atomic<bool> is_running_ = false;
  std::atomic<uint64_t> looks_ = 0;
  std::atomic<uint64_t> asks_ = 0;
  std::unique_ptr<FleetWatch> watch_;
};

TEST_F(FleetWatchTest, LooksOnceASecondWhileItGenerates) {
  clock_.SleepFor(absl::Milliseconds(10'100));
  EXPECT_EQ(looks_, 11u);
  EXPECT_EQ(asks_, 11u);
}

TEST_F(FleetWatchTest, LooksSeldomWhereThereIsNothingToDoAndNobodyWatches) {
  generates_ = false;
  clock_.SleepFor(absl::Milliseconds(60'100));
  EXPECT_NEAR(static_cast<double>(looks_), 13, 2);
  const auto looks_in_ten_seconds = [this] {
    clock_.SleepFor(absl::Seconds(6));  // until the change is seen
    const uint64_t seen = looks_;
    clock_.SleepFor(absl::Seconds(10));
    return static_cast<double>(looks_ - seen);
  };
  is_running_ = true;  // its prompt is computed
  EXPECT_NEAR(looks_in_ten_seconds(), 10, 1);
  is_running_ = false;
  is_ready_ = false;
  has_plan_ = true;  // it loads
  EXPECT_NEAR(looks_in_ten_seconds(), 10, 1);
  has_plan_ = false;  // it waits for workers
  EXPECT_NEAR(looks_in_ten_seconds(), 2, 1);
}

TEST_F(FleetWatchTest, GivesUpdatesAsOftenAsAsked) {
  for (const double rate : {1.0, 2.0, 4.0}) {
    const auto watcher = Subscribe(rate);
    EXPECT_NEAR(CountIn(*watcher, absl::Milliseconds(10'020)), 10 * rate, 1)
        << rate;
  }
}

TEST_F(FleetWatchTest, ARateOutOfRangeBecomesTheNearestThatIsAllowed) {
  for (const double rate : {0.0, -1.0, 0.1, std::nan("")}) {
    EXPECT_NEAR(CountIn(*Subscribe(rate), absl::Milliseconds(10'020)), 10, 1);
  }
  EXPECT_NEAR(CountIn(*Subscribe(1e9), absl::Milliseconds(10'020)), 40, 1);
}

TEST_F(FleetWatchTest, WhoAsksForLessIsGivenLess) {
  const auto fast = Subscribe(4);
  const auto slow = Subscribe(1);
  int fast_count = 0;
  int slow_count = 0;
  proto::WatchUpdate update;
  const absl::Time end = clock_.Now() + absl::Seconds(10);
  while (clock_.Now() < end) {
    if (fast->Next(clock_.Now() + absl::Seconds(1), update)) ++fast_count;
    if (slow->Next(clock_.Now(), update)) ++slow_count;
  }
  EXPECT_NEAR(fast_count, 40, 2);
  EXPECT_NEAR(slow_count, 10, 1);
}

// Looks go on while nobody takes an update, so that one that is taken late is
// followed by a look that comes before the next is due.
TEST_F(FleetWatchTest, AnUpdateThatIsThereComesWhenItIsDue) {
  const auto watcher = Subscribe(1);
  proto::WatchUpdate update;
  ASSERT_TRUE(watcher->Next(clock_.Now() + absl::Seconds(5), update));
  clock_.SleepFor(absl::Milliseconds(2500));
  ASSERT_TRUE(watcher->Next(clock_.Now(), update));
  const absl::Time taken = clock_.Now();
  ASSERT_TRUE(watcher->Next(taken + absl::Seconds(5), update));
  EXPECT_GE(clock_.Now() - taken, absl::Milliseconds(900));
  EXPECT_LE(clock_.Now() - taken, absl::Milliseconds(1010));
}

TEST_F(FleetWatchTest, TheFirstUpdateComesAtOnceAndIsFresh) {
  clock_.SleepFor(absl::Milliseconds(500));
  const auto watcher = Subscribe(1);
  const absl::Time begin = clock_.Now();
  proto::WatchUpdate update;
  ASSERT_TRUE(watcher->Next(begin + absl::Seconds(5), update));
  EXPECT_LE(clock_.Now() - begin, absl::Milliseconds(100));
  EXPECT_GE(absl::FromUnixMillis(update.snapshot().time_unix_ms()), begin);
}

TEST_F(FleetWatchTest, EventsComeOnceAndTheFirstUpdateBringsTheOldOnes) {
  events_.Add(Severity::kInfo, "pi4", "joined");
  const auto watcher = Subscribe(4);
  proto::WatchUpdate update;
  ASSERT_TRUE(watcher->Next(clock_.Now() + absl::Seconds(5), update));
  ASSERT_EQ(update.events_size(), 1);
  EXPECT_EQ(update.events(0).text(), "joined");
  ASSERT_TRUE(watcher->Next(clock_.Now() + absl::Seconds(5), update));
  EXPECT_EQ(update.events_size(), 0);
  events_.Add(Severity::kError, "pi4", "lost", "shoal nodes");
  ASSERT_TRUE(watcher->Next(clock_.Now() + absl::Seconds(5), update));
  ASSERT_EQ(update.events_size(), 1);
  EXPECT_EQ(update.events(0).severity(), proto::FleetEvent::ERROR);
  EXPECT_EQ(update.events(0).command(), "shoal nodes");
}

TEST_F(FleetWatchTest, OnlySoManyMayWatch) {
  std::vector<std::unique_ptr<FleetWatch::Watcher>> watchers;
  for (int i = 0; i < FleetWatch::kWatcherCountMax; ++i) {
    watchers.push_back(Subscribe(1));
  }
  EXPECT_EQ(watch_->Subscribe(1).status().code(),
            absl::StatusCode::kResourceExhausted);
  watchers.pop_back();
  EXPECT_TRUE(watch_->Subscribe(1).ok());
}

TEST_F(FleetWatchTest, TheLastUpdateHasTheLastFigures) {
  const auto watcher = Subscribe(1);
  proto::WatchUpdate update;
  ASSERT_TRUE(watcher->Next(clock_.Now() + absl::Seconds(5), update));
  EXPECT_FALSE(update.snapshot().ending());
  clock_.RunFree();
  watch_->Close();
  ASSERT_TRUE(watcher->Next(clock_.Now() + absl::Seconds(5), update));
  EXPECT_TRUE(update.snapshot().ending());
  EXPECT_EQ(update.snapshot().requests().generated_tokens(), looks_);
  EXPECT_TRUE(watcher->ended());
  EXPECT_FALSE(watcher->Next(clock_.Now() + absl::Seconds(5), update));
  EXPECT_FALSE(watch_->Subscribe(1).ok());
}

}  // namespace
}  // namespace shoal::coordinator

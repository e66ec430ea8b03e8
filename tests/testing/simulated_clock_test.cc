#include "tests/testing/simulated_clock.h"

#include <thread>

#include "gtest/gtest.h"

namespace shoal::testing {
namespace {

TEST(SimulatedClockTest, SleepMovesTimeByItsLengthWhenAlone) {
  SimulatedClock clock(1);
  const absl::Time start = clock.Now();
  clock.SleepFor(absl::Hours(5));
  EXPECT_EQ(clock.Now() - start, absl::Hours(5));
}

TEST(SimulatedClockTest, SleepsOfTwoThreadsOverlap) {
  SimulatedClock clock(2);
  const absl::Time start = clock.Now();
  absl::Time other_end;
  std::thread other([&] {
    for (int i = 0; i < 10; ++i) clock.SleepFor(absl::Seconds(3));
    other_end = clock.Now();
    clock.RunFree();
  });
  for (int i = 0; i < 10; ++i) clock.SleepFor(absl::Seconds(2));
  EXPECT_EQ(clock.Now() - start, absl::Seconds(20));
  clock.SleepFor(absl::Seconds(20));
  other.join();
  EXPECT_EQ(other_end - start, absl::Seconds(30));
}

TEST(SimulatedClockTest, WaitEndsAtItsDeadlineWithoutNotification) {
  SimulatedClock clock(1);
  base::Mutex mutex;
  base::CondVar cv;
  const absl::Time deadline = clock.Now() + absl::Seconds(7);
  base::MutexLock lock(mutex);
  EXPECT_FALSE(clock.WaitUntil(cv, mutex, deadline));
  EXPECT_EQ(clock.Now(), deadline);
  EXPECT_FALSE(clock.WaitUntil(cv, mutex, deadline));
  EXPECT_EQ(clock.Now(), deadline);
}

TEST(SimulatedClockTest, NotificationEndsAWaitAtTheNotifiersTime) {
  SimulatedClock clock(2);
  const absl::Time start = clock.Now();
  base::Mutex mutex;
  base::CondVar cv;
  bool ready = false;
  std::thread other([&] {
    clock.SleepFor(absl::Seconds(4));
    base::MutexLock lock(mutex);
    ready = true;
    clock.NotifyAll(cv);
  });
  {
    base::MutexLock lock(mutex);
    while (!ready) {
      EXPECT_TRUE(clock.WaitUntil(cv, mutex, absl::InfiniteFuture()));
    }
  }
  EXPECT_EQ(clock.Now() - start, absl::Seconds(4));
  other.join();
}

TEST(SimulatedClockDeathTest, StopsWhenNothingCanWakeAThread) {
  SimulatedClock clock(1);
  base::Mutex mutex;
  base::CondVar cv;
  EXPECT_DEATH(
      {
        base::MutexLock lock(mutex);
        clock.WaitUntil(cv, mutex, absl::InfiniteFuture());
      },
      "every thread waits");
}

}  // namespace
}  // namespace shoal::testing

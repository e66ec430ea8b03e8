#include "base/clock.h"

#include <thread>

#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gtest/gtest.h"

namespace shoal::base {
namespace {

TEST(RealClockTest, StartsAtTheTimeOfDayAndNeverGoesBack) {
  Clock& clock = Clock::Real();
  EXPECT_LT(absl::AbsDuration(clock.Now() - absl::Now()), absl::Minutes(1));
  absl::Time last = clock.Now();
  for (int i = 0; i < 1000; ++i) {
    const absl::Time now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(RealClockTest, AWaitEndsAtItsDeadlineAndNotBefore) {
  Clock& clock = Clock::Real();
  Mutex mutex;
  CondVar never;
  const absl::Time deadline = clock.Now() + absl::Milliseconds(1300);
  MutexLock lock(mutex);
  while (clock.WaitUntil(never, mutex, deadline)) {
    ASSERT_LT(clock.Now(), deadline);
  }
  EXPECT_GE(clock.Now(), deadline);
  EXPECT_FALSE(clock.WaitUntil(never, mutex, absl::InfinitePast()));
}

TEST(RealClockTest, ANotificationEndsAWait) {
  Clock& clock = Clock::Real();
  Mutex mutex;
  CondVar changed;
  bool done = false;
  std::thread other([&] {
    MutexLock lock(mutex);
    done = true;
    clock.NotifyAll(changed);
  });
  {
    MutexLock lock(mutex);
    while (!done) clock.WaitUntil(changed, mutex, absl::InfiniteFuture());
  }
  other.join();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace shoal::base

#include "base/mutex.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/clock.h"

namespace shoal::base {
namespace {

TEST(CondVarTest, AWaitThatNobodyEndsEndsAtItsDeadline) {
  Mutex mutex;
  CondVar cv;
  MutexLock lock(mutex);
  const absl::Time deadline = Clock::Real().Now() + absl::Milliseconds(5);
  while (Clock::Real().WaitUntil(cv, mutex, deadline)) {
  }
  EXPECT_GE(Clock::Real().Now(), deadline);
}

TEST(CondVarTest, ANotificationEndsAWaitWithoutDeadline) {
  Mutex mutex;
  CondVar cv;
  bool ready = false;
  std::thread other([&] {
    MutexLock lock(mutex);
    ready = true;
    Clock::Real().NotifyAll(cv);
  });
  {
    MutexLock lock(mutex);
    while (!ready) {
      EXPECT_TRUE(Clock::Real().WaitUntil(cv, mutex, absl::InfiniteFuture()));
    }
  }
  other.join();
}

}  // namespace
}  // namespace shoal::base

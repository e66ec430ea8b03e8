// A clock whose time moves only when every thread of a test waits for it.

#ifndef SHOAL_TESTS_TESTING_SIMULATED_CLOCK_H_
#define SHOAL_TESTS_TESTING_SIMULATED_CLOCK_H_

#include <condition_variable>
#include <mutex>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace shoal::testing {

// Knows how many threads use it. When all of them sleep or wait in it, time
// jumps to the earliest wake-up; so work takes no time but what SleepFor() says
// it takes, and a test of hours runs in milliseconds. If all wait without a
// deadline, nothing could ever wake them: the process stops with a message.
//
// Threads: thread-safe. A thread that waits elsewhere (in join(), on a mutex)
//          holds time still: call RunFree() before joining one that sleeps.
class SimulatedClock final : public base::Clock {
 public:
  // `thread_count` threads, the calling one included, will use the clock.
  explicit SimulatedClock(int thread_count) : thread_count_(thread_count) {}

  absl::Time Now() override;
  void SleepFor(absl::Duration duration) override;
  bool WaitUntil(base::CondVar& cv, base::Mutex& mutex,
                 absl::Time deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void NotifyAll(base::CondVar& cv) override;

  // The measured part is over: from now on sleeping takes no time, and a
  // deadline has passed when it is waited for. Lets a test end its threads.
  void RunFree();

 private:
  struct Waiter {
    const base::CondVar* cv = nullptr;  // null: sleeps
    absl::Time wake_up;
    bool awake = false;
    bool timed_out = false;
  };

  void Block(Waiter& waiter, std::unique_lock<std::mutex>& lock);
  void AdvanceIfAllWait();
  void Wake(Waiter& waiter, bool timed_out);

  std::mutex mutex_;  // taken after the mutex that a caller waits with
  std::condition_variable woken_;
  const int thread_count_;
  bool free_ = false;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000'000);
  std::vector<Waiter*> waiters_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_SIMULATED_CLOCK_H_

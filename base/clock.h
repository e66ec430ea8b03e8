// Time as a dependency, so that tests can hold it.

#ifndef SHOAL_BASE_CLOCK_H_
#define SHOAL_BASE_CLOCK_H_

#include "absl/time/time.h"
#include "base/mutex.h"

namespace shoal::base {

// Code that waits does so through a Clock. Threads: thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  virtual absl::Time Now() = 0;
  virtual void SleepFor(absl::Duration duration) = 0;

  // As CondVar::WaitUntil: waits on `cv`, which is notified only through
  // NotifyAll() of this clock. Returns false if `deadline` passed.
  virtual bool WaitUntil(CondVar& cv, Mutex& mutex, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
  virtual void NotifyAll(CondVar& cv) = 0;

  // The system's: the time of day when the process asked first, and since then
  // what has passed, so that setting the time of day moves no deadline. Lives
  // for ever.
  static Clock& Real();
};

}  // namespace shoal::base

#endif  // SHOAL_BASE_CLOCK_H_

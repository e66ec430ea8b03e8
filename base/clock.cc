#include "base/clock.h"

#include "absl/time/clock.h"

namespace shoal::base {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
  void SleepFor(absl::Duration duration) override { absl::SleepFor(duration); }
  bool WaitUntil(CondVar& cv, Mutex& mutex, absl::Time deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return cv.WaitUntil(mutex, deadline);
  }
  void NotifyAll(CondVar& cv) override { cv.NotifyAll(); }
};

}  // namespace

Clock& Clock::Real() {
  static RealClock* const clock = new RealClock;
  return *clock;
}

}  // namespace shoal::base

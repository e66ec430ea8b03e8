#include "base/clock.h"

#include <algorithm>
#include <chrono>

#include "absl/time/clock.h"

namespace shoal::base {
namespace {

// Keeps what is added to the system's clock within its range; who waits longer
// looks again.
constexpr absl::Duration kWaitMax = absl::Hours(24);

class RealClock final : public Clock {
 public:
  absl::Time Now() override {
    return start_ +
           absl::FromChrono(std::chrono::steady_clock::now() - steady_start_);
  }
  void SleepFor(absl::Duration duration) override { absl::SleepFor(duration); }
  bool WaitUntil(CondVar& cv, Mutex& mutex, absl::Time deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (deadline == absl::InfiniteFuture()) {
      return cv.WaitUntil(mutex, deadline);
    }
    const absl::Time now = Now();
    if (now >= deadline) return false;
    cv.WaitFor(mutex, std::min(deadline - now, kWaitMax));
    return Now() < deadline;
  }
  void NotifyAll(CondVar& cv) override { cv.NotifyAll(); }

 private:
  const absl::Time start_ = absl::Now();
  const std::chrono::steady_clock::time_point steady_start_ =
      std::chrono::steady_clock::now();
};

}  // namespace

Clock& Clock::Real() {
  static RealClock* const clock = new RealClock;
  return *clock;
}

}  // namespace shoal::base

#include "tests/testing/simulated_clock.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::testing {

absl::Time SimulatedClock::Now() {
  std::unique_lock<std::mutex> lock(mutex_);
  return now_;
}

void SimulatedClock::SleepFor(absl::Duration duration) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (duration <= absl::ZeroDuration()) return;
  if (free_) {
    now_ += duration;
    return;
  }
  Waiter waiter;
  waiter.wake_up = now_ + duration;
  Block(waiter, lock);
}

bool SimulatedClock::WaitUntil(base::CondVar& cv, base::Mutex& mutex,
                               absl::Time deadline) {
  Waiter waiter;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (deadline <= now_ || (free_ && deadline != absl::InfiniteFuture())) {
      now_ = std::max(now_, deadline);
      return false;
    }
    waiter.cv = &cv;
    waiter.wake_up = deadline;
    // Not before the waiter is known: a notification could be missed.
    mutex.Unlock();
    Block(waiter, lock);
  }
  mutex.Lock();
  return !waiter.timed_out;
}

void SimulatedClock::NotifyAll(base::CondVar& cv) {
  std::unique_lock<std::mutex> lock(mutex_);
  const std::vector<Waiter*> waiters = waiters_;
  for (Waiter* waiter : waiters) {
    if (waiter->cv == &cv) Wake(*waiter, false);
  }
}

void SimulatedClock::RunFree() {
  std::unique_lock<std::mutex> lock(mutex_);
  free_ = true;
  const std::vector<Waiter*> waiters = waiters_;
  for (Waiter* waiter : waiters) {
    if (waiter->wake_up != absl::InfiniteFuture()) Wake(*waiter, true);
  }
}

void SimulatedClock::Block(Waiter& waiter, std::unique_lock<std::mutex>& lock) {
  waiters_.push_back(&waiter);
  AdvanceIfAllWait();
  woken_.wait(lock, [&] { return waiter.awake; });
}

void SimulatedClock::AdvanceIfAllWait() {
  const int waiting = static_cast<int>(waiters_.size());
  SHOAL_CHECK(waiting <= thread_count_, waiting, " threads use a clock for ",
              thread_count_);
  if (waiting < thread_count_ || free_) return;
  absl::Time earliest = absl::InfiniteFuture();
  for (const Waiter* waiter : waiters_) {
    earliest = std::min(earliest, waiter->wake_up);
  }
  SHOAL_CHECK(earliest != absl::InfiniteFuture(),
              "every thread waits for another");
  now_ = std::max(now_, earliest);
  const std::vector<Waiter*> waiters = waiters_;
  for (Waiter* waiter : waiters) {
    if (waiter->wake_up <= now_) Wake(*waiter, true);
  }
}

void SimulatedClock::Wake(Waiter& waiter, bool timed_out) {
  waiter.awake = true;
  waiter.timed_out = timed_out;
  std::erase(waiters_, &waiter);
  woken_.notify_all();
}

}  // namespace shoal::testing

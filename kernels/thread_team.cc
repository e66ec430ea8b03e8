// The team on std::thread: tasks are drawn from a shared counter; idle members
// spin for a moment, then sleep in the kernel.

#include "kernels/thread_team.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"

namespace shoal::kernels {
namespace {

// Between the products of a layer a member waits a few microseconds, in which
// sleeping and waking (5 to 50 us) would cost more than it saves. Longer waits
// are exchanges or stalls; then the core belongs to somebody else.
constexpr std::chrono::microseconds kSpinTime{30};

// Returns true as soon as `done` does, false after kSpinTime.
template <typename Done>
bool SpinUntil(const Done& done) {
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("isb");
#endif
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

// One word holds the number of the round, whether members may still join it,
// and how many (besides the caller) are in it.
constexpr uint64_t kMembersMask = 0xffff;
constexpr uint64_t kOpen = uint64_t{1} << 16;
constexpr uint64_t kOneRound = uint64_t{1} << 17;

class StdThreadTeam final : public ThreadTeam {
 public:
  explicit StdThreadTeam(uint32_t member_count)
      // With more members than cores a spinning one only delays the others.
      : spin_(member_count <= std::thread::hardware_concurrency()) {
    for (uint32_t member = 1; member < member_count; ++member) {
      threads_.emplace_back([this, member] { Work(member); });
    }
  }

  ~StdThreadTeam() override {
    {
      base::MutexLock lock(mutex_);
      stop_.store(true, std::memory_order_relaxed);
    }
    start_.NotifyAll();
    for (std::thread& thread : threads_) thread.join();
  }

  uint32_t member_count() const override {
    return static_cast<uint32_t>(threads_.size()) + 1;
  }

  void Run(uint32_t task_count,
           absl::FunctionRef<void(uint32_t, uint32_t)> task) override {
    if (threads_.empty() || task_count <= 1) {
      for (uint32_t i = 0; i < task_count; ++i) task(i, 0);
      return;
    }
    task_ = &task;
    task_count_ = task_count;
    next_task_.store(0, std::memory_order_relaxed);
    {
      base::MutexLock lock(mutex_);
      const uint64_t last = state_.load(std::memory_order_relaxed);
      state_.store((last + kOneRound) | kOpen, std::memory_order_release);
    }
    start_.NotifyAll();
    DrawTasks(0);
    // Nothing is left to draw: whoever has not come by now is not waited for.
    // On a busy machine a member may get its core long after the rest is done.
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    const auto all_left = [this] {
      return (state_.load(std::memory_order_acquire) & kMembersMask) == 0;
    };
    if (all_left() || (spin_ && SpinUntil(all_left))) return;
    base::MutexLock lock(mutex_);
    while (!all_left()) done_.Wait(mutex_);
  }

 private:
  void DrawTasks(uint32_t member) {
    while (true) {
      const uint32_t i = next_task_.fetch_add(1, std::memory_order_relaxed);
      if (i >= task_count_) return;
      (*task_)(i, member);
    }
  }

  // Joins a round other than `seen` and notes it there; false if it is over.
  bool Join(uint64_t& seen) {
    uint64_t state = state_.load(std::memory_order_relaxed);
    while ((state & kOpen) != 0 && state / kOneRound != seen) {
      if (state_.compare_exchange_weak(state, state + 1,
                                       std::memory_order_acq_rel)) {
        seen = state / kOneRound;
        return true;
      }
    }
    return false;
  }

  void Leave() {
    const uint64_t state = state_.fetch_sub(1, std::memory_order_acq_rel);
    if ((state & kMembersMask) != 1 || (state & kOpen) != 0) return;
    // Under the lock, so that it cannot fall between the caller's look at
    // state_ and its wait.
    base::MutexLock lock(mutex_);
    done_.NotifyOne();
  }

  void Work(uint32_t member) {
    uint64_t seen = 0;
    const auto called = [this, &seen] {
      const uint64_t state = state_.load(std::memory_order_acquire);
      return ((state & kOpen) != 0 && state / kOneRound != seen) ||
             stop_.load(std::memory_order_relaxed);
    };
    while (true) {
      if (!spin_ || !SpinUntil(called)) {
        base::MutexLock lock(mutex_);
        while (!called()) start_.Wait(mutex_);
      }
      if (stop_.load(std::memory_order_relaxed)) return;
      if (!Join(seen)) continue;
      DrawTasks(member);
      Leave();
    }
  }

  const bool spin_;
  base::Mutex mutex_;  // for the waits: state_ opens and stop_ rises under it
  base::CondVar start_;
  base::CondVar done_;
  std::atomic<uint64_t> state_ = 0;
  std::atomic<bool> stop_ = false;

  // Written while nobody is in a round, read by those who joined one.
  const absl::FunctionRef<void(uint32_t, uint32_t)>* task_ = nullptr;
  uint32_t task_count_ = 0;
  std::atomic<uint32_t> next_task_ = 0;

  std::vector<std::thread> threads_;  // joined by the destructor
};

}  // namespace

std::unique_ptr<ThreadTeam> ThreadTeam::Create(uint32_t member_count) {
  SHOAL_CHECK(member_count >= 1 && member_count <= kMemberCountMax,
              member_count, " members");
  return std::make_unique<StdThreadTeam>(member_count);
}

}  // namespace shoal::kernels

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
      stop_ = true;
      round_.fetch_add(1, std::memory_order_release);
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
    {
      base::MutexLock lock(mutex_);
      task_ = &task;
      task_count_ = task_count;
      next_task_.store(0, std::memory_order_relaxed);
      working_.store(static_cast<uint32_t>(threads_.size()),
                     std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
    }
    start_.NotifyAll();
    DrawTasks(0);
    const auto all_done = [this] {
      return working_.load(std::memory_order_acquire) == 0;
    };
    if (spin_ && SpinUntil(all_done)) return;
    base::MutexLock lock(mutex_);
    while (!all_done()) done_.Wait(mutex_);
  }

 private:
  void DrawTasks(uint32_t member) {
    while (true) {
      const uint32_t i = next_task_.fetch_add(1, std::memory_order_relaxed);
      if (i >= task_count_) return;
      (*task_)(i, member);
    }
  }

  void Work(uint32_t member) {
    uint64_t seen = 0;
    while (true) {
      const auto started = [this, seen] {
        return round_.load(std::memory_order_acquire) != seen;
      };
      if (!spin_ || !SpinUntil(started)) {
        base::MutexLock lock(mutex_);
        while (!started()) start_.Wait(mutex_);
      }
      ++seen;
      if (stop_) return;
      DrawTasks(member);
      if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        // Under the lock, so that it cannot fall between the caller's look at
        // working_ and its wait.
        base::MutexLock lock(mutex_);
        done_.NotifyOne();
      }
    }
  }

  const bool spin_;
  base::Mutex mutex_;
  base::CondVar start_;
  base::CondVar done_;

  // Written before round_ is raised, read after it is seen raised; the next
  // round starts only when every member is done with this one.
  const absl::FunctionRef<void(uint32_t, uint32_t)>* task_ = nullptr;
  uint32_t task_count_ = 0;
  bool stop_ = false;
  std::atomic<uint64_t> round_ = 0;

  std::atomic<uint32_t> next_task_ = 0;
  std::atomic<uint32_t> working_ = 0;

  std::vector<std::thread> threads_;  // joined by the destructor
};

}  // namespace

std::unique_ptr<ThreadTeam> ThreadTeam::Create(uint32_t member_count) {
  SHOAL_CHECK(member_count >= 1 && member_count <= kMemberCountMax,
              member_count, " members");
  return std::make_unique<StdThreadTeam>(member_count);
}

}  // namespace shoal::kernels

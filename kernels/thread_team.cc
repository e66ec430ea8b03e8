// The team on std::thread: each member draws tasks from its own range, then
// from those of others; idle members spin for a moment, then sleep.

#include "kernels/thread_team.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/check.h"
#include "kernels/cpu_cores.h"
#include "kernels/team_member.h"

namespace shoal::kernels {
namespace {

using TeamClock = std::chrono::steady_clock;

// Between the products of a layer a member waits a few microseconds, in which
// sleeping and waking (5 to 50 us) would cost more than it saves. Longer waits
// are stalls; then the core belongs to somebody else. Within a pass the wait
// may be an exchange with other devices of the same host.
constexpr std::chrono::microseconds kSpinTime{20};
constexpr std::chrono::microseconds kSpinTimeInPass{100};

// Returns true as soon as `done` does, false after `time`.
template <typename Done>
bool SpinUntil(const Done& done, TeamClock::duration time) {
  const auto deadline = TeamClock::now() + time;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("isb");
#endif
    }
  } while (TeamClock::now() < deadline);
  return false;
}

// One word holds the number of the round, whether members may still join it,
// and how many (besides the caller) are in it.
constexpr uint64_t kMembersMask = 0xffff;
constexpr uint64_t kOpen = uint64_t{1} << 16;
constexpr uint64_t kOneRound = uint64_t{1} << 17;

class StdThreadTeam final : public ThreadTeam {
 public:
  explicit StdThreadTeam(const Options& options)
      : cores_(options.cores), members_(options.member_count) {
    set_spin(options.spin);
    for (uint32_t member = 1; member < options.member_count; ++member) {
      threads_.emplace_back([this, member] { Work(member); });
    }
  }

  ~StdThreadTeam() override {
    stop_.store(true);
    for (TeamMember& member : members_) member.Wake();
    for (std::thread& thread : threads_) thread.join();
  }

  uint32_t member_count() const override {
    return static_cast<uint32_t>(members_.size());
  }

  uint64_t late_count() const override { return late_count_; }

  uint32_t active_count() const override {
    return static_cast<uint32_t>(
        std::count_if(members_.begin(), members_.end(),
                      [](const TeamMember& m) { return !m.left_out(); }));
  }

  void set_spin(bool spin) override {
    // With more members than cores a spinning one only delays the others.
    spin_.store(spin && members_.size() <= std::thread::hardware_concurrency());
  }

  void Run(uint32_t task_count,
           absl::FunctionRef<void(uint32_t, uint32_t)> task) override {
    if (threads_.empty() || task_count <= 1) {
      for (uint32_t i = 0; i < task_count; ++i) task(i, 0);
      return;
    }
    const auto begin = TeamClock::now();
    task_ = &task;
    HandOut(task_count, begin);
    const uint64_t last = state_.load(std::memory_order_relaxed);
    state_.store((last + kOneRound) | kOpen);
    WakeActive();
    const uint32_t own_tasks = DrawTasks(0);
    const auto end = TeamClock::now();
    // Nothing is left to draw: whoever has not come by now is not waited for.
    // On a busy machine a member may get its core long after the rest is done.
    state_.fetch_and(~kOpen);
    if (!AllLeft()) WaitForOthers();
    if (own_tasks > 0) Judge(end, (end - begin) / own_tasks);
  }

 protected:
  void BeginPass() override {
    if (threads_.empty()) return;
    if (!cores_.empty() && bound_caller_ != std::this_thread::get_id()) {
      BindThisThread(cores_);
      bound_caller_ = std::this_thread::get_id();
    }
    in_pass_.store(true);
    // They get up while the caller prepares the first Run().
    WakeActive();
  }

  void EndPass() override { in_pass_.store(false); }

 private:
  // Cuts the tasks into ranges, one for each member that may work.
  void HandOut(uint32_t task_count, TeamClock::time_point now) {
    for (TeamMember& member : members_) member.TakeBack(now);
    const uint32_t count = active_count();
    uint32_t at = 0;
    for (TeamMember& member : members_) {
      if (member.left_out()) {
        member.SetRange(0, 0);
        continue;
      }
      const auto end =
          static_cast<uint32_t>(uint64_t{task_count} * (at + 1) / count);
      const auto begin =
          static_cast<uint32_t>(uint64_t{task_count} * at / count);
      member.SetRange(begin, end);
      ++at;
    }
  }

  void WakeActive() {
    for (size_t m = 1; m < members_.size(); ++m) {
      if (!members_[m].left_out()) members_[m].Wake();
    }
  }

  // Returns how many tasks the member did.
  uint32_t DrawTasks(uint32_t member) {
    uint32_t count = 0;
    const auto ranges = static_cast<uint32_t>(members_.size());
    for (uint32_t r = 0; r < ranges; ++r) {
      TeamMember& range = members_[(member + r) % ranges];
      for (uint32_t i = 0; range.Draw(i); ++count) (*task_)(i, member);
    }
    return count;
  }

  bool AllLeft() const { return (state_.load() & kMembersMask) == 0; }

  void WaitForOthers() {
    const auto all_left = [this] { return AllLeft(); };
    if (spin_.load(std::memory_order_relaxed) &&
        SpinUntil(all_left, kSpinTimeInPass)) {
      return;
    }
    // From here on the core is free for a member that has lost its own.
    while (true) {
      caller_waits_.store(1);
      if (AllLeft()) break;
      caller_waits_.wait(1);
    }
    caller_waits_.store(0);
  }

  // Leaves out for a while who was in the round long after the caller's end.
  void Judge(TeamClock::time_point end, TeamClock::duration task_time) {
    for (size_t m = 1; m < members_.size(); ++m) {
      if (members_[m].Judge(end, task_time)) ++late_count_;
    }
  }

  // Joins a round other than `seen` and notes it there; false if it is over.
  bool Join(uint64_t& seen) {
    uint64_t state = state_.load(std::memory_order_relaxed);
    while ((state & kOpen) != 0 && state / kOneRound != seen) {
      if (state_.compare_exchange_weak(state, state + 1)) {
        seen = state / kOneRound;
        return true;
      }
    }
    return false;
  }

  void Leave() {
    const uint64_t state = state_.fetch_sub(1);
    if ((state & kMembersMask) != 1 || (state & kOpen) != 0) return;
    if (caller_waits_.exchange(0) != 0) caller_waits_.notify_one();
  }

  void Work(uint32_t number) {
    if (!cores_.empty()) BindThisThread(cores_);
    TeamMember& member = members_[number];
    uint64_t seen = 0;
    const auto called = [&] {
      if (stop_.load(std::memory_order_relaxed)) return true;
      if (member.left_out()) return false;
      const uint64_t state = state_.load();
      return (state & kOpen) != 0 && state / kOneRound != seen;
    };
    while (true) {
      const TeamClock::duration spin_time =
          in_pass_.load(std::memory_order_relaxed) ? kSpinTimeInPass
                                                   : kSpinTime;
      const bool spin =
          spin_.load(std::memory_order_relaxed) && !member.left_out();
      if (!spin || !SpinUntil(called, spin_time)) member.Sleep(called);
      if (stop_.load(std::memory_order_relaxed)) return;
      if (member.left_out() || !Join(seen)) continue;
      DrawTasks(number);
      member.NoteEnd();
      Leave();
    }
  }

  const std::vector<uint32_t> cores_;
  std::thread::id bound_caller_;
  std::atomic<bool> spin_ = false;
  std::atomic<bool> in_pass_ = false;
  std::atomic<bool> stop_ = false;
  // Orders of these are the strongest, as sleepers and wakers each write one
  // word and then read the other's.
  std::atomic<uint64_t> state_ = 0;
  std::atomic<uint32_t> caller_waits_ = 0;

  // Written while nobody is in a round, read by those who joined one.
  const absl::FunctionRef<void(uint32_t, uint32_t)>* task_ = nullptr;
  uint64_t late_count_ = 0;

  std::vector<TeamMember> members_;   // the first is the caller
  std::vector<std::thread> threads_;  // joined by the destructor
};

}  // namespace

std::unique_ptr<ThreadTeam> ThreadTeam::Create(const Options& options) {
  SHOAL_CHECK(
      options.member_count >= 1 && options.member_count <= kMemberCountMax,
      options.member_count, " members");
  return std::make_unique<StdThreadTeam>(options);
}

std::unique_ptr<ThreadTeam> ThreadTeam::Create(uint32_t member_count) {
  return Create(Options{.member_count = member_count});
}

}  // namespace shoal::kernels

// What a thread team keeps of each member: its range of tasks, whether it
// sleeps, and how punctual it is.

#ifndef SHOAL_KERNELS_TEAM_MEMBER_H_
#define SHOAL_KERNELS_TEAM_MEMBER_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace shoal::kernels {

// Threads: each method says who calls it. Lines of the cache are not shared
//          between members.
class alignas(64) TeamMember {
 public:
  using Clock = std::chrono::steady_clock;

  // A member is late if it ends a round so long after the caller: it has lost
  // its core within a task. The times of tasks differ, on slow cores too.
  static constexpr Clock::duration kLateAfter = std::chrono::microseconds(200);
  static constexpr int kLateTasks = 4;
  // It is left out for the first time, then for twice as long as before. One
  // preempted task costs the team up to some milliseconds, so a core that
  // belongs to another program is tried about twice a second.
  static constexpr Clock::duration kFirstRest = std::chrono::milliseconds(10);
  static constexpr Clock::duration kLongestRest =
      std::chrono::milliseconds(500);

  // By the caller, between rounds.
  void SetRange(uint32_t begin, uint32_t end) {
    next_.store(begin, std::memory_order_relaxed);
    end_ = end;
  }

  // By whoever is in the round: the next task of the range, if there is one.
  bool Draw(uint32_t& task) {
    // Without adding to a counter that has passed: it must not wrap around.
    if (next_.load(std::memory_order_relaxed) >= end_) return false;
    task = next_.fetch_add(1, std::memory_order_relaxed);
    return task < end_;
  }

  // By the member: sleeps until Wake(), unless called() already.
  template <typename Called>
  void Sleep(const Called& called) {
    asleep_.store(1);
    if (!called()) asleep_.wait(1);
    asleep_.store(0);
  }

  // By the caller, after what called() looks at has changed.
  void Wake() {
    if (asleep_.load() != 0 && asleep_.exchange(0) != 0) asleep_.notify_one();
  }

  // By the member, before it leaves a round.
  void NoteEnd() {
    ended_.store(Clock::now().time_since_epoch().count(),
                 std::memory_order_relaxed);
  }

  // By all.
  bool left_out() const { return left_out_.load(std::memory_order_relaxed); }

  // By the caller after a round in which its own tasks took `task_time` each
  // and the last ended at `end`. Returns whether the member is left out now.
  bool Judge(Clock::time_point end, Clock::duration task_time) {
    const Clock::time_point ended{
        Clock::duration(ended_.load(std::memory_order_relaxed))};
    if (left_out() || ended - end <= kLateAfter + kLateTasks * task_time) {
      return false;
    }
    rest_ = std::clamp(2 * rest_, kFirstRest, kLongestRest);
    back_at_ = ended + rest_;
    left_out_.store(true, std::memory_order_relaxed);
    return true;
  }

  // By the caller before a round: lets the member in again when it is time. One
  // that has then been punctual for as long as it was left out starts anew.
  void TakeBack(Clock::time_point now) {
    if (rest_ == Clock::duration::zero() || now < back_at_) return;
    if (left_out()) {
      left_out_.store(false, std::memory_order_relaxed);
    } else if (now - back_at_ >= rest_) {
      rest_ = Clock::duration::zero();
    }
  }

 private:
  std::atomic<uint32_t> next_ = 0;
  uint32_t end_ = 0;
  std::atomic<uint32_t> asleep_ = 0;
  std::atomic<bool> left_out_ = false;
  std::atomic<Clock::rep> ended_ = 0;
  // Of the caller alone.
  Clock::duration rest_ = Clock::duration::zero();
  Clock::time_point back_at_;
};

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_TEAM_MEMBER_H_

// Looks at the fleet about once a second, seldom while it has nothing to do,
// and as often as those who watch it ask for.

#ifndef SHOAL_COORDINATOR_FLEET_WATCH_H_
#define SHOAL_COORDINATOR_FLEET_WATCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "coordinator/event_log.h"
#include "coordinator/fleet_facts.h"
#include "coordinator/fleet_observer.h"

namespace shoal::proto {
class FleetSnapshot;
class WatchUpdate;
}  // namespace shoal::proto

namespace shoal::coordinator {

// All who watch see the same snapshots; those who ask for fewer skip some.
//
// Cost:    a look asks every worker for a report, a message each way; a
// snapshot
//          is made only where somebody watches.
// Limits:  kWatcherCountMax watchers, kRateMin to kRateMax updates a second.
// Threads: thread-safe. Owns a thread, which calls Options::ask and ::look;
//          Close() joins it.
class FleetWatch {
 public:
  static constexpr int kWatcherCountMax = 16;
  static constexpr double kRateMin = 1;
  static constexpr double kRateMax = 4;

  struct Options {
    // Asks the workers for news, and does not wait.
    std::function<void()> ask;
    // What is known; called a moment after `ask`.
    std::function<FleetFacts()> look;
    EventLog* events = nullptr;    // borrowed
    base::Clock* clock = nullptr;  // borrowed; null: the system's
  };

  // One who watches. Threads: thread-compatible; outlives no FleetWatch.
  class Watcher {
   public:
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Waits for the next update. False: none by `deadline`, or the last one
    // (with `ending`) was given before. By the clock of the FleetWatch.
    bool Next(absl::Time deadline, proto::WatchUpdate& update);
    bool ended() const { return ended_; }

   private:
    friend class FleetWatch;
    Watcher(FleetWatch& watch, absl::Duration interval)
        : watch_(watch), interval_(interval) {}

    FleetWatch& watch_;
    const absl::Duration interval_;
    uint64_t snapshot_number_ = 0;  // seen
    uint64_t event_number_ = 0;     // likewise
    absl::Time due_ = absl::InfinitePast();
    bool ended_ = false;
  };

  explicit FleetWatch(Options options);
  ~FleetWatch();  // as Close()
  FleetWatch(const FleetWatch&) = delete;
  FleetWatch& operator=(const FleetWatch&) = delete;

  // `rate` updates a second; what is out of range becomes the nearest that is.
  // Errors: kResourceExhausted  too many watch already, or it is closed
  absl::StatusOr<std::unique_ptr<Watcher>> Subscribe(double rate)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Looks once more, without asking, and ends all watching with that. Again:
  // nothing.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Duration Interval() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  void Look(bool is_last);
  // False: closing.
  bool WaitUntil(absl::Time time) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  base::Clock& clock_;
  const absl::Time start_;
  FleetObserver observer_;  // of the thread, then of Close()

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::multiset<absl::Duration> intervals_ ABSL_GUARDED_BY(mutex_);
  bool is_busy_ ABSL_GUARDED_BY(mutex_) = true;       // at the last look
  uint64_t token_count_ ABSL_GUARDED_BY(mutex_) = 0;  // likewise
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;        // somebody came
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const proto::FleetSnapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  uint64_t snapshot_number_ ABSL_GUARDED_BY(mutex_) = 0;

  std::thread thread_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_FLEET_WATCH_H_

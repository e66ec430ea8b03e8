// What the pages are told of a fleet, as server-sent events.

#ifndef SHOAL_DASHBOARD_LIVE_FEED_H_
#define SHOAL_DASHBOARD_LIVE_FEED_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace shoal::dashboard {

// All readers share the newest snapshot and the newest kEventCountMax events;
// who reads slowly skips snapshots, and costs nothing for it.
//
// A reader gets, each as one event of a stream:
//   event: link      {"state":"connecting"|"live"|"lost","message":TEXT}
//   event: update    {"first":BOOL,"snapshot":OBJECT,"events":[OBJECT...]}
// `events` are those since this reader's last update, oldest first; `first`:
// all before them are void, because it is another coordinator, perhaps.
//
// Threads: thread-safe; a Reader is thread-compatible.
class LiveFeed {
 public:
  static constexpr size_t kEventCountMax = 256;

  enum class Link : uint8_t { kConnecting, kLive, kLost };

  // One page. Outlives no LiveFeed.
  class Reader {
   public:
    explicit Reader(LiveFeed& feed) : feed_(feed) {}

    // Waits for news; empty: there are none by `deadline`, or it is closed.
    std::string Next(absl::Time deadline);

   private:
    LiveFeed& feed_;
    uint64_t link_number_ = 0;
    uint64_t source_number_ = 0;
    uint64_t snapshot_number_ = 0;
    uint64_t event_number_ = 0;
  };

  // `message`: one line for people.
  void SetLink(Link state, const std::string& message)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // JSON objects, on one line each; the events are new, oldest first.
  // `is_first`: of a connection; events before are forgotten.
  void Publish(bool is_first, std::string snapshot,
               std::vector<std::string> events) ABSL_LOCKS_EXCLUDED(mutex_);

  // Nobody waits any more.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);
  bool closed() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Event {
    uint64_t number = 0;
    std::string json;
  };

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::string link_ ABSL_GUARDED_BY(mutex_);  // the event
  uint64_t link_number_ ABSL_GUARDED_BY(mutex_) = 0;
  // Counts what was published first; 0: nothing was published.
  uint64_t source_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const std::string> snapshot_ ABSL_GUARDED_BY(mutex_);
  uint64_t snapshot_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t event_number_ ABSL_GUARDED_BY(mutex_) = 0;  // of the newest
};

}  // namespace shoal::dashboard

#endif  // SHOAL_DASHBOARD_LIVE_FEED_H_

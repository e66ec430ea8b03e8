// What happened to the fleet, for its operator.

#ifndef SHOAL_COORDINATOR_EVENT_LOG_H_
#define SHOAL_COORDINATOR_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace shoal::coordinator {

enum class Severity : uint8_t { kInfo, kWarning, kError };

struct FleetEvent {
  uint64_t number = 0;  // counted from 1
  absl::Time time;
  Severity severity = Severity::kInfo;
  std::string device;   // empty: the whole fleet
  std::string text;     // one line
  std::string command;  // to copy, to see more or to mend; may be empty
};

// Keeps the last events. What says the same of the same device as one of the
// last few did a moment ago is no news: a worker that is refused dials again
// and again.
//
// Limits:  kCountMax events; texts of kTextBytesMax bytes, printable.
// Threads: thread-safe.
class EventLog {
 public:
  static constexpr size_t kCountMax = 256;
  static constexpr size_t kTextBytesMax = 500;
  static constexpr absl::Duration kRepeatTime = absl::Minutes(1);

  // `clock` is borrowed; null: the system's.
  explicit EventLog(base::Clock* clock = nullptr);

  // Text may come from strangers: control characters become blanks.
  void Add(Severity severity, absl::string_view device, absl::string_view text,
           absl::string_view command = "") ABSL_LOCKS_EXCLUDED(mutex_);

  // Those after `number` that are kept, oldest first; 0: all.
  std::vector<FleetEvent> Since(uint64_t number) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::deque<FleetEvent> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_EVENT_LOG_H_

// What one process did when, for a picture of a run (`--trace`).

#ifndef SHOAL_BASE_TRACE_H_
#define SHOAL_BASE_TRACE_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace shoal::base {

enum class TraceKind : uint8_t {
  kPass,      // one walk through the model; count: tokens
  kCompute,   // units of a phase; count: units
  kRead,      // one request to the disk; bytes
  kStall,     // waiting for units from disk
  kWait,      // waiting for a frame; count: the rank that sends it
  kExchange,  // sending, adding up
};
inline constexpr uint32_t kTraceKindCount = 6;

struct TraceEvent {
  int64_t begin_ns = 0;  // since 1970 by this device's clock
  int64_t duration_ns = 0;
  uint64_t bytes = 0;
  uint32_t count = 0;
  uint16_t layer = 0;
  uint16_t phase = 0;
  uint16_t thread = 0;  // of the process, in order of their first events
  TraceKind kind = TraceKind::kPass;
};

// Keeps the first `capacity` events and counts those behind.
//
// Memory:  kEventBytes for each event of the capacity, reserved at once.
// Threads: thread-safe.
class TraceRecorder {
 public:
  static constexpr uint64_t kEventBytes = sizeof(TraceEvent);

  explicit TraceRecorder(uint32_t capacity);

  // Sets event.thread. Does not allocate.
  void Add(TraceEvent event) ABSL_LOCKS_EXCLUDED(mutex_);

  // A part of what was recorded.
  struct Part {
    std::vector<TraceEvent> events;
    uint64_t total = 0;    // events kept
    uint64_t dropped = 0;  // events that found no room
  };
  // Events [first, first + count_max), as far as there are so many.
  Part Copy(uint64_t first, uint32_t count_max) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const uint32_t capacity_;
  mutable Mutex mutex_;
  std::vector<TraceEvent> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Records the time from its construction to its end; nothing if `recorder` is
// null.
class TraceScope {
 public:
  TraceScope(TraceRecorder* recorder, const TraceEvent& event);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  TraceRecorder* const recorder_;
  TraceEvent event_;
};

}  // namespace shoal::base

#endif  // SHOAL_BASE_TRACE_H_

#include "base/trace.h"

#include <algorithm>
#include <atomic>

#include "absl/time/clock.h"

namespace shoal::base {
namespace {

uint16_t ThreadNumber() {
  static std::atomic<uint16_t> next = 0;
  thread_local const uint16_t number = next++;
  return number;
}

}  // namespace

TraceRecorder::TraceRecorder(uint32_t capacity) : capacity_(capacity) {
  events_.reserve(capacity);
}

void TraceRecorder::Add(TraceEvent event) {
  event.thread = ThreadNumber();
  MutexLock lock(mutex_);
  if (events_.size() < capacity_) {
    events_.push_back(event);
  } else {
    ++dropped_;
  }
}

TraceRecorder::Part TraceRecorder::Copy(uint64_t first,
                                        uint32_t count_max) const {
  MutexLock lock(mutex_);
  Part part;
  part.total = events_.size();
  part.dropped = dropped_;
  const uint64_t begin = std::min<uint64_t>(first, part.total);
  const uint64_t end = std::min(begin + count_max, part.total);
  part.events.assign(events_.begin() + static_cast<ptrdiff_t>(begin),
                     events_.begin() + static_cast<ptrdiff_t>(end));
  return part;
}

TraceScope::TraceScope(TraceRecorder* recorder, const TraceEvent& event)
    : recorder_(recorder), event_(event) {
  if (recorder_ != nullptr) event_.begin_ns = absl::GetCurrentTimeNanos();
}

TraceScope::~TraceScope() {
  if (recorder_ == nullptr) return;
  event_.duration_ns = absl::GetCurrentTimeNanos() - event_.begin_ns;
  recorder_->Add(event_);
}

}  // namespace shoal::base

// Where the time of a pass went, on one rank.

#ifndef SHOAL_WORKER_PASS_TIMES_H_
#define SHOAL_WORKER_PASS_TIMES_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/trace.h"

namespace shoal::worker {

// The four add up to the pass.
struct PassTimes {
  absl::Duration compute;   // norms, encoding, units
  absl::Duration stall;     // waiting for a unit to come from disk
  absl::Duration wait;      // waiting for a frame of another rank
  absl::Duration exchange;  // sending, receiving what is there, adding up
};

// Adds the time from its construction to its end to one of the above, and to
// the trace if there is one.
class Stopwatch {
 public:
  Stopwatch(absl::Duration& total, base::TraceRecorder* trace,
            const base::TraceEvent& event)
      : total_(total), trace_(trace), event_(event) {
    event_.begin_ns = absl::GetCurrentTimeNanos();
  }
  ~Stopwatch() {
    event_.duration_ns = absl::GetCurrentTimeNanos() - event_.begin_ns;
    total_ += absl::Nanoseconds(event_.duration_ns);
    if (trace_ != nullptr) trace_->Add(event_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  absl::Duration& total_;
  base::TraceRecorder* const trace_;
  base::TraceEvent event_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_PASS_TIMES_H_

// Where the time of a pass went, on one rank.

#ifndef SHOAL_WORKER_PASS_TIMES_H_
#define SHOAL_WORKER_PASS_TIMES_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shoal::worker {

// The four add up to the pass.
struct PassTimes {
  absl::Duration compute;   // norms, encoding, units
  absl::Duration stall;     // waiting for a unit to come from disk
  absl::Duration wait;      // waiting for a frame of another rank
  absl::Duration exchange;  // sending, receiving what is there, adding up
};

// Adds the time from its construction to its end to one of the above.
class Stopwatch {
 public:
  explicit Stopwatch(absl::Duration& total)
      : total_(total), begin_(absl::GetCurrentTimeNanos()) {}
  ~Stopwatch() {
    total_ += absl::Nanoseconds(absl::GetCurrentTimeNanos() - begin_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  absl::Duration& total_;
  const int64_t begin_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_PASS_TIMES_H_

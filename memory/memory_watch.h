// How much memory a running process shall use: what it was given, less when its
// cap is lowered or the system runs short.

#ifndef SHOAL_MEMORY_MEMORY_WATCH_H_
#define SHOAL_MEMORY_MEMORY_WATCH_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace shoal::memory {

// Looks at a file with a size, if there is one, and at what the machine and the
// cgroups of this process have left: both where it begins to run out, and where
// processes wait for memory already (PSI). Under pressure the budget falls by
// what is missing, at least an eighth of what can be given; it comes back in
// steps when there was room for a while.
//
// Cost:    about ten short reads of /proc and /sys and a few for each limit,
//          at most once an `interval`.
// Threads: thread-compatible.
// Failure: what cannot be read changes nothing.
class MemoryWatch {
 public:
  struct Options {
    std::string cap_file;      // holds a size such as 300MiB; empty: none
    bool watch_system = true;  // whether pressure counts
    std::string root = "/";    // replaced in tests
    absl::Duration interval = absl::Milliseconds(500);
    absl::Duration calm = absl::Seconds(20);  // before memory comes back
    base::Clock* clock = nullptr;             // borrowed; null: the system's
  };

  // All in bytes.
  struct Range {
    uint64_t budget = 0;  // given at the start
    uint64_t floor = 0;   // with less the process cannot work
    uint64_t full = 0;    // more is of no use
  };

  struct Wish {
    uint64_t budget_bytes = 0;  // floor <= it <= full
    std::string why;            // "of memory pressure: machine has ..."
    bool below_floor = false;   // less was wished than can be; told once
  };

  // What a cap file says now.
  // Errors: kUnavailable      it cannot be read
  //         kInvalidArgument  it holds no size
  static absl::StatusOr<uint64_t> ReadCap(const std::string& cap_file);

  // REQUIRES: floor <= budget, floor <= full.
  MemoryWatch(Options options, const Range& range);

  // The budget from now on, if it is another than before and an interval has
  // passed.
  std::optional<Wish> Poll();

 private:
  void ReadCapFile();
  void LookAtSystem(absl::Time now);
  uint64_t Top() const;

  const Options options_;
  const Range range_;
  uint64_t cap_bytes_;
  uint64_t given_up_bytes_ = 0;  // below Top()
  uint64_t told_bytes_;
  bool floor_told_ = false;
  uint32_t cap_unclear_count_ = 0;  // polls in a row
  std::string why_;
  absl::Time next_poll_;
  absl::Time last_poll_;
  absl::Time calm_since_;
  std::optional<absl::Duration> stall_;  // at last_poll_
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_MEMORY_WATCH_H_

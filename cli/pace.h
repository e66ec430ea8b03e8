// How fast something that is counted in bytes goes on, in words.

#ifndef SHOAL_CLI_PACE_H_
#define SHOAL_CLI_PACE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace shoal::cli {

// Threads: thread-compatible.
class Pace {
 public:
  // "12 MiB of 40 MiB", and once it has taken two seconds since the first call
  // ", 3 MiB/s, 9 s left". The rate is that of the whole time.
  std::string Text(uint64_t done, uint64_t total, absl::Time now);

  // "[######----]" of `width` signs and the brackets.
  static std::string Bar(uint64_t done, uint64_t total, int width);

 private:
  absl::Time begin_ = absl::InfiniteFuture();
  uint64_t done_at_begin_ = 0;
};

}  // namespace shoal::cli

#endif  // SHOAL_CLI_PACE_H_

// So many events a second and no more.

#ifndef SHOAL_DISCOVERY_RATE_LIMIT_H_
#define SHOAL_DISCOVERY_RATE_LIMIT_H_

#include "absl/time/time.h"

namespace shoal::discovery {

// Lets `per_second` events happen in any second, after a pause all at once.
// Threads: thread-compatible.
class RateLimit {
 public:
  explicit RateLimit(double per_second)
      : per_second_(per_second), left_(per_second) {}

  // Whether one more may happen at `now`; times before the last count as that.
  bool Take(absl::Time now);

 private:
  const double per_second_;
  double left_;
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace shoal::discovery

#endif  // SHOAL_DISCOVERY_RATE_LIMIT_H_

#include "discovery/rate_limit.h"

#include <algorithm>

namespace shoal::discovery {

bool RateLimit::Take(absl::Time now) {
  if (now > last_) {
    left_ = std::min(per_second_,
                     left_ + per_second_ * absl::ToDoubleSeconds(now - last_));
    last_ = now;
  }
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

}  // namespace shoal::discovery

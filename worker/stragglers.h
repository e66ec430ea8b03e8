// For whom the hub of a stage waits.

#ifndef SHOAL_WORKER_STRAGGLERS_H_
#define SHOAL_WORKER_STRAGGLERS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/time/time.h"

namespace shoal::worker {

// Charges the waiting of each exchange to the rank that came last: had another
// come earlier, nothing would have been gained. The hub reads its peers in a
// fixed order, so what it sees is how much longer it waited for each than for
// those before it.
//
// Threads: thread-compatible. No allocation after construction.
class Stragglers {
 public:
  explicit Stragglers(uint32_t rank_count) : waited_for_(rank_count) {
    waits_.reserve(rank_count);
  }

  void BeginPass();
  void BeginExchange() { waits_.clear(); }
  // The frame of `rank` is here, after `wait` more than for those before it.
  // REQUIRES: rank < rank_count.
  void Received(uint32_t rank, absl::Duration wait) {
    waits_.push_back({rank, wait});
  }
  void EndExchange();

  // By rank, since BeginPass().
  std::span<const absl::Duration> waited_for() const { return waited_for_; }

 private:
  struct Wait {
    uint32_t rank = 0;
    absl::Duration time;
  };
  std::vector<Wait> waits_;  // of this exchange
  std::vector<absl::Duration> waited_for_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_STRAGGLERS_H_

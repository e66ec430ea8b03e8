// Where the time of a token goes, on each device and in the fleet.

#ifndef SHOAL_COORDINATOR_TOKEN_SPLIT_H_
#define SHOAL_COORDINATOR_TOKEN_SPLIT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/report_history.h"

namespace shoal::coordinator {

// Milliseconds; the four add up to the token.
struct TokenParts {
  double compute_ms = 0;
  double disk_ms = 0;
  double wire_ms = 0;
  double wait_ms = 0;

  double total_ms() const { return compute_ms + disk_ms + wire_ms + wait_ms; }
};

struct TokenSplit {
  // Of the fleet: what the mean rank of each group computes and waits for its
  // disk, how much longer the slowest takes (wait), and the rest (wire). Its
  // total is the time from one token to the next on rank 0.
  TokenParts fleet;
  // By rank; nothing where there are no figures. What a rank is blocked for is
  // wire as far as nobody computes then, else waiting.
  std::vector<std::optional<TokenParts>> ranks;
  // By group: the rank that works longest; nothing: they are within a twentieth
  // of their mean, or there is only one.
  std::vector<std::optional<uint32_t>> slowest;
};

// `means` and `group_of_rank` by rank. The ranks of a group work at the same
// time, groups one after the other: the stages of a plan.
// REQUIRES: as many of one as of the other, at least one.
// Nothing where rank 0 has no figures.
std::optional<TokenSplit> SplitToken(
    const std::vector<std::optional<TokenMeans>>& means,
    const std::vector<uint32_t>& group_of_rank);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_TOKEN_SPLIT_H_

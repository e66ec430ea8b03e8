// The descriptor that opens a pass: which tokens of which sessions.

#ifndef SHOAL_PARALLEL_PASS_H_
#define SHOAL_PARALLEL_PASS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal::parallel {

inline constexpr uint32_t kPassRowCountMax = 4096;

// A run of tokens of one session at consecutive positions.
struct PassRow {
  uint32_t session = 0;
  uint32_t first_position = 0;
  uint32_t token_count = 0;
  // The session's KV is cut to this length first (0 starts a session anew).
  // REQUIRES: == first_position, so that no position is ever skipped.
  uint32_t truncate_to = 0;
  // Logits are wanted of the last so many tokens of the run.
  uint32_t logits_count = 0;
};

struct Pass {
  uint64_t epoch = 0;
  uint64_t number = 0;
  std::vector<PassRow> rows;

  uint32_t token_count() const;
  uint32_t logits_count() const;
};

// The wire form; no token ids are in it. It and the one below use the memory of
// their last argument again.
std::vector<std::byte> EncodePass(const Pass& pass,
                                  std::vector<std::byte> bytes = {});

// Errors: kInvalidArgument  malformed, or a limit exceeded: more than
//                           `token_count_max` tokens, a position at or past
//                           `position_count_max`, too many rows
absl::StatusOr<Pass> DecodePass(std::span<const std::byte> bytes,
                                uint32_t token_count_max,
                                uint32_t position_count_max, Pass pass = {});

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_PASS_H_

// The merges of a BPE vocabulary: which pair of tokens becomes which, and when.

#ifndef SHOAL_MODEL_MERGE_TABLE_H_
#define SHOAL_MODEL_MERGE_TABLE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/gguf.h"
#include "model/vocabulary.h"

namespace shoal::model {

// Limits:  kMergeCountMax merges.
// Memory:  12 bytes per merge and at most 10 of hash index.
// Threads: immutable; thread-safe.
class MergeTable {
 public:
  static constexpr uint64_t kMergeCountMax = uint64_t{1} << 26;
  static constexpr uint32_t kNoRank = UINT32_MAX;

  struct Merge {
    int32_t left = 0;
    int32_t right = 0;
    int32_t merged = 0;
  };

  // Reads tokenizer.ggml.merges, lines "left right" in order of rank.
  // Errors: kInvalidArgument  missing or ill-typed, too many, a line without
  //                           two parts, or a part or the result that is no
  //                           token
  static absl::StatusOr<MergeTable> Create(const GgufHeader& header,
                                           const Vocabulary& vocabulary);

  // The rank of the merge of two tokens (the lower merges first), or kNoRank.
  uint32_t FindRank(int32_t left, int32_t right) const;

  // REQUIRES: rank came from FindRank().
  int32_t merged(uint32_t rank) const { return merges_[rank].merged; }

  uint64_t memory_bytes() const {
    return merges_.capacity() * sizeof(Merge) +
           index_.capacity() * sizeof(uint32_t);
  }

 private:
  MergeTable() = default;

  void BuildIndex();

  std::vector<Merge> merges_;    // by rank
  std::vector<uint32_t> index_;  // open addressing: rank + 1, or 0; 2^n slots
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_MERGE_TABLE_H_

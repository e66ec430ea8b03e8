// Finds the special tokens that are written in a text.

#ifndef SHOAL_MODEL_SPECIAL_TOKENS_H_
#define SHOAL_MODEL_SPECIAL_TOKENS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/vocabulary.h"

namespace shoal::model {

// Cost:    a search takes O(text + matches * longest token); the number of
//          special tokens (thousands in some models) enters by its logarithm.
// Threads: immutable; thread-safe.
class SpecialTokens {
 public:
  struct Match {
    size_t offset = 0;
    size_t bytes = 0;
    int32_t id = 0;
  };

  // `vocabulary` is borrowed and must outlive this object.
  explicit SpecialTokens(const Vocabulary& vocabulary);

  // The first special token at or after `from`, the longest if several begin
  // there. User-defined tokens count always, control and unknown tokens only
  // with `parse_special`.
  std::optional<Match> FindNext(absl::string_view text, size_t from,
                                bool parse_special) const;

  uint64_t memory_bytes() const;

 private:
  struct Set {
    std::vector<int32_t> ids;  // ordered by text
    std::array<bool, 256> begins{};
  };

  void Fill(Set& set, bool parse_special) const;
  // The longest token of `set` that `text` begins with, or kNoToken.
  int32_t FindLongestPrefix(const Set& set, absl::string_view text) const;

  const Vocabulary& vocabulary_;
  Set always_;
  Set parsed_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SPECIAL_TOKENS_H_

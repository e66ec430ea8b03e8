// Cuts text into the words within which byte-level BPE merges.

#ifndef SHOAL_MODEL_PRE_TOKENIZER_H_
#define SHOAL_MODEL_PRE_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/pre_tokenizer_table.h"

namespace shoal::model {

// The patterns of one kind are applied one after the other, each to every
// piece that the ones before have left, as if that piece were the whole text.
// A match is a piece; what lies between two matches is a piece as well.
//
// Threads: immutable; thread-safe.
class PreTokenizer {
 public:
  // `name` is the value of tokenizer.ggml.pre.
  // Errors: kUnimplemented  no such kind; the message lists those known
  static absl::StatusOr<PreTokenizer> Create(absl::string_view name);

  PreTokenizer(PreTokenizer&&);
  PreTokenizer& operator=(PreTokenizer&&);
  ~PreTokenizer();

  // Appends the pieces of `text`, in order and without gaps, to `pieces`; they
  // point into `text`.
  // REQUIRES: `text` is valid UTF-8.
  // Errors: kResourceExhausted  the pattern engine's own limits, on hostile
  //                             text
  absl::Status Split(absl::string_view text,
                     std::vector<absl::string_view>& pieces) const;

  const PreTokenizerKind& kind() const { return *kind_; }

 private:
  struct Pattern;  // a compiled one

  PreTokenizer();

  const PreTokenizerKind* kind_ = nullptr;
  std::vector<std::unique_ptr<Pattern>> patterns_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_PRE_TOKENIZER_H_

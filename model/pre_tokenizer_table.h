// The known ways of cutting text into words before BPE: names and patterns.

#ifndef SHOAL_MODEL_PRE_TOKENIZER_TABLE_H_
#define SHOAL_MODEL_PRE_TOKENIZER_TABLE_H_

#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace shoal::model {

// To support another model, add a row to the table in the .cc: the value its
// files have in tokenizer.ggml.pre, and the patterns of its tokenizer.json in
// PCRE2's syntax. tests/model/tokenizer_golden_test.cc picks up golden lines
// of that name by itself.
struct PreTokenizerKind {
  std::span<const absl::string_view> names;  // values of tokenizer.ggml.pre
  std::span<const absl::string_view> patterns;
  // A word that is a token as a whole is not split and merged.
  bool takes_whole_words = false;
  // What tokenizer.ggml.add_bos_token is taken to be where it is missing.
  bool adds_bos = false;
};

// Null if no kind has that name.
const PreTokenizerKind* FindPreTokenizerKind(absl::string_view name);

// "bloom, command-r, ...": all names, sorted, for messages.
std::string PreTokenizerNames();

}  // namespace shoal::model

#endif  // SHOAL_MODEL_PRE_TOKENIZER_TABLE_H_

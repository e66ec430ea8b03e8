// Token ids to text as they come, without ever splitting a character.

#ifndef SHOAL_MODEL_DETOKENIZER_H_
#define SHOAL_MODEL_DETOKENIZER_H_

#include <cstdint>
#include <string>

#include "model/tokenizer.h"

namespace shoal::model {

// What Feed() and Flush() append is valid UTF-8, always. Bytes that begin a
// character wait (3 at most) until it is complete; bytes that can no longer
// become one turn into U+FFFD. However the ids are grouped into calls, the
// text is the same.
//
// Memory:  no allocation of its own after the first tokens.
// Threads: thread-compatible.
class StreamDetokenizer {
 public:
  struct Options {
    // True if the ids begin a text, whose leading space (the one that encoding
    // adds, Tokenizer::adds_space_prefix) is dropped. False if they continue a
    // text: a leading space then belongs to it.
    bool at_text_start = true;
    SpecialText special = SpecialText::kHide;
  };

  // `tokenizer` is borrowed and must outlive this object.
  StreamDetokenizer(const Tokenizer& tokenizer, const Options& options);

  // Appends the text that `id` completes, which may be none, to `out`.
  // REQUIRES: 0 <= id < tokenizer.vocab_size().
  void Feed(int32_t id, std::string& out);

  // Appends what a last unfinished character amounts to: U+FFFD or nothing.
  // The next Feed() goes on in the same text.
  void Flush(std::string& out);

 private:
  const Tokenizer& tokenizer_;
  const SpecialText special_;
  bool drops_space_;
  std::string pending_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_DETOKENIZER_H_

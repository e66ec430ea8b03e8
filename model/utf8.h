// UTF-8, one character at a time, for text that may be broken or unfinished.

#ifndef SHOAL_MODEL_UTF8_H_
#define SHOAL_MODEL_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace shoal::model {

// U+FFFD, which stands for what is not UTF-8.
inline constexpr absl::string_view kReplacementCharacter = "\xef\xbf\xbd";

struct Utf8Step {
  enum class State {
    kCharacter,   // a well-formed character
    kInvalid,     // bytes that begin no character, whatever follows them
    kUnfinished,  // all of the text, and more bytes could complete it
  };
  State state = State::kInvalid;
  size_t bytes = 0;   // that the step covers; 1 to 4
  char32_t code = 0;  // kCharacter only
};

// Looks at the beginning of `text`. Overlong forms, surrogates and codes above
// U+10FFFF are invalid. An invalid step is the longest beginning of a
// character that is there, else one byte, so that replacing each by U+FFFD
// gives what the Unicode standard recommends.
// REQUIRES: `text` is not empty.
Utf8Step StepUtf8(absl::string_view text);

bool IsValidUtf8(absl::string_view text);

// `text` with every invalid (or unfinished) step replaced by U+FFFD.
std::string ReplaceInvalidUtf8(absl::string_view text);

// REQUIRES: code <= 0x10ffff and no surrogate.
void AppendUtf8(char32_t code, std::string& out);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_UTF8_H_

// Text as Python's str sees it: characters are code points of UTF-8.

#ifndef SHOAL_MODEL_JINJA_TEXT_H_
#define SHOAL_MODEL_JINJA_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::model::jinja {

// Bytes of the character that begins at `at`; a byte that begins none counts
// as one. REQUIRES: at < text.size().
size_t CharacterBytes(absl::string_view text, size_t at);
size_t CountCharacters(absl::string_view text);
std::vector<absl::string_view> Characters(absl::string_view text);

// White space as str.strip() and str.split() know it, the wide spaces of
// Unicode included. `character` is one character.
bool IsSpace(absl::string_view character);

enum class Side : uint8_t { kLeft, kRight, kBoth };
absl::string_view StripSpace(absl::string_view text, Side side);
// Takes away any of the characters in `set`.
absl::string_view StripAnyOf(absl::string_view text, absl::string_view set,
                             Side side);

// Of the letters A-Z, a-z, and of Latin-1, Greek and Cyrillic where both forms
// are one letter; other characters stay.
std::string ToUpper(absl::string_view text);
std::string ToLower(absl::string_view text);

// Shortest digits that give `value` back, in the form that Python prints.
std::string FloatText(double value);

// 'text', or "text" if it holds a single quote, with escapes.
std::string QuotedText(absl::string_view text);

// "text" of JSON; characters beyond ASCII stay as they are.
std::string JsonText(absl::string_view text);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_TEXT_H_

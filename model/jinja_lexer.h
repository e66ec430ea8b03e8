// Cuts a template into text and the tokens between its tags.

#ifndef SHOAL_MODEL_JINJA_LEXER_H_
#define SHOAL_MODEL_JINJA_LEXER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::model::jinja {

enum class TokenKind : uint8_t {
  kText,           // outside of tags, white space control already applied
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kName,
  kString,  // unescaped
  kInteger,
  kFloat,
  kOperator,
  kEnd,  // of the template
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 1;
  std::string text;
};

// White space is controlled as chat templates expect: a block's first newline
// goes (trim_blocks), and blanks between the beginning of a line and a block
// (lstrip_blocks), besides what "-" and "+" in a tag ask for. One newline at
// the end of the template is dropped. Comments and raw blocks are resolved
// here. The last token is kEnd.
//
// Source: the template designer documentation of Jinja 3.1, "Whitespace
// Control".
// Limits: kTemplateBytesMax.
// Errors: kInvalidArgument  a tag, comment or string that does not end, a
//                           character that begins no token, or brackets that
//                           do not match; the message begins with "line N: "
inline constexpr size_t kTemplateBytesMax = size_t{1} << 20;
absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_LEXER_H_

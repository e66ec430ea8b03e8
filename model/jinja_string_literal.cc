#include "model/jinja_string_literal.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/utf8.h"

namespace shoal::model::jinja {
namespace {

constexpr uint32_t kSurrogateBegin = 0xd800, kSurrogateEnd = 0xe000;

// A pair of escapes above U+FFFF would be two characters in Python, which no
// UTF-8 can hold; such halves become U+FFFD.
void AppendCode(uint32_t code, std::string& out) {
  const bool half = code >= kSurrogateBegin && code < kSurrogateEnd;
  AppendUtf8(half ? 0xfffd : static_cast<char32_t>(code), out);
}

// The number that begins at `at` and has `digits` digits; moves `at` behind.
absl::StatusOr<uint32_t> HexNumber(absl::string_view text, size_t digits,
                                   size_t& at) {
  uint32_t code = 0;
  if (digits > text.size() - at ||
      !absl::SimpleHexAtoi(text.substr(at, digits), &code) ||
      text.substr(at, digits).find_first_not_of("0123456789abcdefABCDEF") !=
          absl::string_view::npos ||
      code > 0x10ffff) {
    return absl::InvalidArgumentError(
        absl::StrCat("an escape in a string that is not the number of a "
                     "character; ",
                     digits, " hexadecimal digits are needed"));
  }
  at += digits;
  return code;
}

uint32_t OctalNumber(absl::string_view text, size_t& at) {
  uint32_t code = 0;
  for (size_t i = 0;
       i < 3 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++i) {
    code = code * 8 + static_cast<uint32_t>(text[at++] - '0');
  }
  return code;
}

// Of the letter behind the backslash; npos if it is no plain escape.
size_t IndexOfPlain(char c) {
  return absl::string_view("abfnrtv\\'\"").find(c);
}
constexpr absl::string_view kPlain = "\a\b\f\n\r\t\v\\'\"";

}  // namespace

absl::StatusOr<std::string> Unescape(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char c = text[at++];
    if (c != '\\' || at == text.size()) {
      out.push_back(c);
      continue;
    }
    const char escape = text[at];
    if (const size_t plain = IndexOfPlain(escape);
        plain != absl::string_view::npos) {
      out.push_back(kPlain[plain]);
      ++at;
    } else if (escape == '\n') {
      ++at;
    } else if (escape >= '0' && escape <= '7') {
      AppendCode(OctalNumber(text, at), out);
    } else if (escape == 'x' || escape == 'u' || escape == 'U') {
      ++at;
      SHOAL_ASSIGN_OR_RETURN(const uint32_t code, HexNumber(text,
                                                            escape == 'x'   ? 2
                                                            : escape == 'u' ? 4
                                                                            : 8,
                                                            at));
      AppendCode(code, out);
    } else if (escape == 'N') {
      return absl::InvalidArgumentError(
          "\\N{...} in a string is not supported; write \\uHHHH");
    } else {
      out.push_back('\\');
    }
  }
  return out;
}

}  // namespace shoal::model::jinja

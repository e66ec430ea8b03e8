#include "model/jinja_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/utf8.h"

namespace shoal::model::jinja {
namespace {

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// The last character of `text` as a view. REQUIRES: not empty.
absl::string_view LastCharacter(absl::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && IsContinuation(text[at]) && text.size() - at < 4) --at;
  // A broken sequence: its last byte stands alone.
  if (at + CharacterBytes(text, at) != text.size()) at = text.size() - 1;
  return text.substr(at);
}

template <typename Predicate>
absl::string_view StripIf(absl::string_view text, Side side,
                          Predicate predicate) {
  if (side != Side::kRight) {
    while (!text.empty()) {
      const size_t bytes = CharacterBytes(text, 0);
      if (!predicate(text.substr(0, bytes))) break;
      text.remove_prefix(bytes);
    }
  }
  if (side != Side::kLeft) {
    while (!text.empty()) {
      const absl::string_view last = LastCharacter(text);
      if (!predicate(last)) break;
      text.remove_suffix(last.size());
    }
  }
  return text;
}

uint32_t DecodeTwoBytes(absl::string_view text) {
  return (static_cast<uint32_t>(text[0]) & 0x1f) << 6 |
         (static_cast<uint32_t>(text[1]) & 0x3f);
}

uint32_t UpperOf(uint32_t c) {
  if (c >= 'a' && c <= 'z') return c - 32;
  if (c >= 0xe0 && c <= 0xfe && c != 0xf7) return c - 32;
  if (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) return c - 32;
  if (c >= 0x430 && c <= 0x44f) return c - 32;
  if (c >= 0x450 && c <= 0x45f) return c - 80;
  return c;
}

uint32_t LowerOf(uint32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 32;
  if (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) return c + 32;
  if (c >= 0x410 && c <= 0x42f) return c + 32;
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  return c;
}

template <typename Map>
std::string MapLetters(absl::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = CharacterBytes(text, at);
    if (bytes == 1 && !IsContinuation(text[at])) {
      const auto c = static_cast<unsigned char>(text[at]);
      out.push_back(c < 0x80 ? static_cast<char>(map(c)) : text[at]);
    } else if (bytes == 2) {
      AppendUtf8(map(DecodeTwoBytes(text.substr(at))), out);
    } else {
      out.append(text.data() + at, bytes);
    }
    at += bytes;
  }
  return out;
}

}  // namespace

size_t CharacterBytes(absl::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t bytes = lead < 0xc2   ? 1
                       : lead < 0xe0 ? 2
                       : lead < 0xf0 ? 3
                       : lead < 0xf5 ? 4
                                     : 1;
  if (bytes > text.size() - at) return 1;
  for (size_t i = 1; i < bytes; ++i) {
    if (!IsContinuation(text[at + i])) return 1;
  }
  return bytes;
}

size_t CountCharacters(absl::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += CharacterBytes(text, at)) ++count;
  return count;
}

std::vector<absl::string_view> Characters(absl::string_view text) {
  std::vector<absl::string_view> characters;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = CharacterBytes(text, at);
    characters.push_back(text.substr(at, bytes));
    at += bytes;
  }
  return characters;
}

bool IsSpace(absl::string_view character) {
  if (character.size() == 1) {
    const auto c = static_cast<unsigned char>(character[0]);
    return c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f);
  }
  // U+0085, U+00A0; U+1680, U+2000-200A, U+2028, U+2029, U+202F, U+205F, U+3000
  static constexpr absl::string_view kWide[] = {
      "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
      "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
  if (std::find(std::begin(kWide), std::end(kWide), character) !=
      std::end(kWide)) {
    return true;
  }
  return character.size() == 3 && absl::StartsWith(character, "\xe2\x80") &&
         static_cast<unsigned char>(character[2]) >= 0x80 &&
         static_cast<unsigned char>(character[2]) <= 0x8a;
}

absl::string_view StripSpace(absl::string_view text, Side side) {
  return StripIf(text, side, IsSpace);
}

absl::string_view StripAnyOf(absl::string_view text, absl::string_view set,
                             Side side) {
  const std::vector<absl::string_view> characters = Characters(set);
  return StripIf(text, side, [&](absl::string_view character) {
    return std::find(characters.begin(), characters.end(), character) !=
           characters.end();
  });
}

std::string ToUpper(absl::string_view text) {
  return MapLetters(text, UpperOf);
}

std::string ToLower(absl::string_view text) {
  return MapLetters(text, LowerOf);
}

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value,
                                 std::chars_format::scientific)
                       .ptr;
  const absl::string_view scientific(digits, static_cast<size_t>(end - digits));
  const int exponent = std::atoi(
      std::string(scientific.substr(scientific.find('e') + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(scientific);
  char fixed[64];
  const auto fixed_end = std::to_chars(fixed, fixed + sizeof(fixed), value,
                                       std::chars_format::fixed)
                             .ptr;
  std::string text(fixed, fixed_end);
  if (!absl::StrContains(text, '.')) text += ".0";
  return text;
}

std::string QuotedText(absl::string_view text) {
  const char quote =
      absl::StrContains(text, '\'') && !absl::StrContains(text, '"') ? '"'
                                                                     : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    } else {
      out.push_back(c);
    }
  }
  out.push_back(quote);
  return out;
}

std::string JsonText(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (byte < 0x20) {
          absl::StrAppendFormat(&out, "\\u%04x", byte);
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
  return out;
}

}  // namespace shoal::model::jinja

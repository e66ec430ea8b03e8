#include "model/jinja_lexer.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "model/jinja_string_literal.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

// Longest first.
constexpr absl::string_view kOperators[] = {
    "//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<",
    ">",  "=",  ".",  ":",  "|",  ",",  ";", "(", ")", "[", "]", "{", "}"};

bool IsNameBegin(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameCharacter(char c) { return IsNameBegin(c) || IsDigit(c); }

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (at_ < source_.size()) SHOAL_RETURN_IF_ERROR(ReadText());
    Add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  absl::string_view rest() const {
    return absl::string_view(source_).substr(at_);
  }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  absl::Status Error(int line, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
  }
  void Add(TokenKind kind, std::string text) {
    tokens_.push_back({kind, line_, std::move(text)});
  }
  void Skip(size_t bytes) {
    line_ += static_cast<int>(std::count(
        source_.begin() + static_cast<ptrdiff_t>(at_),
        source_.begin() + static_cast<ptrdiff_t>(at_ + bytes), '\n'));
    at_ += bytes;
    at_line_start_ = source_[at_ - 1] == '\n';
  }
  void SkipSpace() {
    const absl::string_view stripped = StripSpace(rest(), Side::kLeft);
    if (stripped.size() < rest().size()) Skip(rest().size() - stripped.size());
  }
  // Behind the end of a block or comment.
  void SkipNewline() {
    if (Peek() == '\n') Skip(1);
  }

  absl::Status ReadText();
  void AddText(absl::string_view text, char sign, bool is_block);
  absl::Status ReadComment();
  absl::StatusOr<bool> ReadRaw();
  absl::Status ReadTag(TokenKind end_kind, absl::string_view end);
  bool ReadTagEnd(TokenKind end_kind, absl::string_view end);
  absl::Status ReadToken();
  absl::Status ReadString();
  void ReadNumber();
  absl::Status Balance(char bracket);

  const std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::string brackets_;  // the closing ones that are due
  std::vector<Token> tokens_;
};

// Up to the next tag, and the tag.
absl::Status Lexer::ReadText() {
  size_t begin = at_;
  do {
    begin = source_.find('{', begin);
  } while (begin != std::string::npos && begin + 1 < source_.size() &&
           !absl::StrContains("{%#", source_[begin + 1]) && ++begin);
  if (begin == std::string::npos || begin + 1 >= source_.size()) {
    Add(TokenKind::kText, std::string(rest()));
    at_ = source_.size();
    return absl::OkStatus();
  }
  const char kind = source_[begin + 1];
  const char sign = begin + 2 < source_.size() ? source_[begin + 2] : '\0';
  const bool signed_tag = sign == '-' || sign == '+';
  AddText(absl::string_view(source_).substr(at_, begin - at_),
          signed_tag ? sign : '\0', kind != '{');
  if (begin > at_) Skip(begin - at_);
  if (kind == '%') {
    SHOAL_ASSIGN_OR_RETURN(const bool raw, ReadRaw());
    if (raw) return absl::OkStatus();
  }
  const int line = line_;
  Skip(signed_tag ? 3 : 2);
  if (kind == '#') return ReadComment();
  tokens_.push_back(
      {kind == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin,
       line,
       {}});
  return kind == '%' ? ReadTag(TokenKind::kBlockEnd, "%}")
                     : ReadTag(TokenKind::kVariableEnd, "}}");
}

// `text` stands before a tag with this sign.
void Lexer::AddText(absl::string_view text, char sign, bool is_block) {
  if (sign == '-') {
    text = StripSpace(text, Side::kRight);
  } else if (sign != '+' && is_block) {
    const size_t newline = text.rfind('\n');
    const size_t line_begin =
        newline == absl::string_view::npos ? 0 : newline + 1;
    if ((line_begin > 0 || at_line_start_) &&
        StripSpace(text.substr(line_begin), Side::kLeft).empty()) {
      text = text.substr(0, line_begin);
    }
  }
  if (!text.empty()) Add(TokenKind::kText, std::string(text));
}

absl::Status Lexer::ReadComment() {
  const size_t end = source_.find("#}", at_);
  if (end == std::string::npos) {
    return Error(line_, "the comment {# does not end");
  }
  const char sign = end > at_ ? source_[end - 1] : '\0';
  Skip(end + 2 - at_);
  if (sign == '-') {
    SkipSpace();
  } else if (sign != '+') {
    SkipNewline();
  }
  return absl::OkStatus();
}

// The position behind "{%", sign, `word` and, up to but without it, the sign
// and "%}"; npos if something else stands at `at`.
size_t FindBareTag(absl::string_view source, size_t at,
                   absl::string_view word) {
  if (source.substr(at, 2) != "{%") return absl::string_view::npos;
  at += 2;
  const auto skip_space = [&] {
    while (at < source.size() &&
           absl::ascii_isspace(static_cast<unsigned char>(source[at]))) {
      ++at;
    }
  };
  if (at < source.size() && (source[at] == '-' || source[at] == '+')) ++at;
  skip_space();
  if (source.substr(at, word.size()) != word) return absl::string_view::npos;
  at += word.size();
  skip_space();
  const size_t sign =
      at < source.size() && (source[at] == '-' || source[at] == '+') ? 1 : 0;
  return source.substr(at + sign, 2) == "%}" ? at : absl::string_view::npos;
}

// False if no raw block begins here.
absl::StatusOr<bool> Lexer::ReadRaw() {
  size_t end = FindBareTag(source_, at_, "raw");
  if (end == absl::string_view::npos) return false;
  const int line = line_;
  const bool strip_begin = source_[end] == '-';
  // A newline behind {% raw %} stays.
  Skip(end + (source_[end] == '%' ? 2 : 3) - at_);
  if (strip_begin) SkipSpace();
  size_t close = at_ - 1;
  do {
    close = source_.find("{%", close + 1);
    if (close == std::string::npos) {
      return Error(line, "the block {% raw %} does not end");
    }
    end = FindBareTag(source_, close, "endraw");
  } while (end == absl::string_view::npos);
  const char sign = source_[close + 2];
  AddText(absl::string_view(source_).substr(at_, close - at_), sign, true);
  const char end_sign = source_[end];
  Skip(end + (end_sign == '%' ? 2 : 3) - at_);
  if (end_sign == '-') {
    SkipSpace();
  } else if (end_sign != '+') {
    SkipNewline();
  }
  return true;
}

absl::Status Lexer::ReadTag(TokenKind end_kind, absl::string_view end) {
  const int line = line_;
  brackets_.clear();
  while (true) {
    SkipSpace();
    if (at_ >= source_.size()) {
      return Error(line, absl::StrCat("the tag does not end with ", end));
    }
    if (brackets_.empty() && ReadTagEnd(end_kind, end)) {
      return absl::OkStatus();
    }
    SHOAL_RETURN_IF_ERROR(ReadToken());
  }
}

bool Lexer::ReadTagEnd(TokenKind end_kind, absl::string_view end) {
  const bool block = end_kind == TokenKind::kBlockEnd;
  const char first = Peek();
  const bool has_sign = first == '-' || (block && first == '+');
  if (!absl::StartsWith(rest().substr(has_sign ? 1 : 0), end)) return false;
  Add(end_kind, "");
  Skip(end.size() + (has_sign ? 1 : 0));
  if (first == '-') {
    SkipSpace();
  } else if (block && first != '+') {
    SkipNewline();
  }
  return true;
}

absl::Status Lexer::ReadToken() {
  const char c = Peek();
  if (IsNameBegin(c)) {
    size_t end = at_;
    while (end < source_.size() && IsNameCharacter(source_[end])) ++end;
    Add(TokenKind::kName, source_.substr(at_, end - at_));
    Skip(end - at_);
    return absl::OkStatus();
  }
  if (c == '\'' || c == '"') return ReadString();
  if (IsDigit(c)) {
    ReadNumber();
    return absl::OkStatus();
  }
  for (const absl::string_view op : kOperators) {
    if (!absl::StartsWith(rest(), op)) continue;
    if (op.size() == 1) SHOAL_RETURN_IF_ERROR(Balance(op[0]));
    Add(TokenKind::kOperator, std::string(op));
    Skip(op.size());
    return absl::OkStatus();
  }
  return Error(
      line_,
      absl::StrCat("unexpected character ",
                   QuotedText(rest().substr(0, CharacterBytes(source_, at_)))));
}

absl::Status Lexer::Balance(char bracket) {
  constexpr absl::string_view kOpening = "([{", kClosing = ")]}";
  const size_t opening = kOpening.find(bracket);
  if (opening != absl::string_view::npos) {
    brackets_.push_back(kClosing[opening]);
  } else if (absl::StrContains(kClosing, bracket)) {
    if (brackets_.empty() || brackets_.back() != bracket) {
      return Error(line_,
                   absl::StrCat("unexpected '", std::string(1, bracket), "'"));
    }
    brackets_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status Lexer::ReadString() {
  const char quote = Peek();
  size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) {
    end += source_[end] == '\\' ? 2 : 1;
  }
  if (end >= source_.size()) return Error(line_, "a string does not end");
  absl::StatusOr<std::string> text =
      Unescape(absl::string_view(source_).substr(at_ + 1, end - at_ - 1));
  if (!text.ok()) return Error(line_, text.status().message());
  Add(TokenKind::kString, *std::move(text));
  Skip(end + 1 - at_);
  return absl::OkStatus();
}

void Lexer::ReadNumber() {
  size_t end = at_;
  const auto skip_digits = [&] {
    while (end < source_.size() &&
           (IsDigit(source_[end]) ||
            (source_[end] == '_' && end + 1 < source_.size() &&
             IsDigit(source_[end + 1])))) {
      ++end;
    }
  };
  const auto digit_at = [&](size_t i) {
    return i < source_.size() && IsDigit(source_[i]);
  };
  skip_digits();
  bool is_float = false;
  if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
    is_float = true;
    ++end;
    skip_digits();
  }
  if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
    const bool sign = end + 1 < source_.size() &&
                      (source_[end + 1] == '+' || source_[end + 1] == '-');
    if (digit_at(end + (sign ? 2 : 1))) {
      is_float = true;
      end += sign ? 2 : 1;
      skip_digits();
    }
  }
  Add(is_float ? TokenKind::kFloat : TokenKind::kInteger,
      absl::StrReplaceAll(absl::string_view(source_).substr(at_, end - at_),
                          {{"_", ""}}));
  Skip(end - at_);
}

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source) {
  if (source.size() > kTemplateBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("line 1: the template has ", source.size(),
                     " bytes; allowed are ", kTemplateBytesMax));
  }
  std::string text =
      absl::StrReplaceAll(source, {{"\r\n", "\n"}, {"\r", "\n"}});
  if (absl::EndsWith(text, "\n")) text.pop_back();
  return Lexer(std::move(text)).Run();
}

}  // namespace shoal::model::jinja

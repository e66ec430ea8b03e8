#include "model/jinja_token_stream.h"

#include "absl/strings/str_cat.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

std::string Describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kText:
      return "text";
    case TokenKind::kBlockBegin:
      return "{%";
    case TokenKind::kBlockEnd:
      return "%}";
    case TokenKind::kVariableBegin:
      return "{{";
    case TokenKind::kVariableEnd:
      return "}}";
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kString:
      return absl::StrCat("the string ", QuotedText(token.text.substr(0, 40)));
    default:
      return absl::StrCat("'", token.text.substr(0, 40), "'");
  }
}

}  // namespace

absl::Status ErrorAtLine(int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

Token TokenStream::Take() {
  if (at_ + 1 == tokens_.size()) return tokens_[at_];
  return std::move(tokens_[at_++]);
}

bool TokenStream::AtOperator(absl::string_view text) const {
  return At(TokenKind::kOperator) && current().text == text;
}

bool TokenStream::AtName(absl::string_view text) const {
  return At(TokenKind::kName) && current().text == text;
}

bool TokenStream::SkipOperator(absl::string_view text) {
  if (!AtOperator(text)) return false;
  Take();
  return true;
}

bool TokenStream::SkipName(absl::string_view text) {
  if (!AtName(text)) return false;
  Take();
  return true;
}

absl::Status TokenStream::Expect(TokenKind kind, absl::string_view what) {
  if (!At(kind)) return Unexpected(what);
  Take();
  return absl::OkStatus();
}

absl::Status TokenStream::ExpectOperator(absl::string_view text) {
  return SkipOperator(text) ? absl::OkStatus()
                            : Unexpected(absl::StrCat("'", text, "'"));
}

absl::Status TokenStream::ExpectName(absl::string_view text) {
  return SkipName(text) ? absl::OkStatus()
                        : Unexpected(absl::StrCat("'", text, "'"));
}

absl::Status TokenStream::Error(absl::string_view what) const {
  return ErrorAtLine(line(), what);
}

absl::Status TokenStream::Unexpected(absl::string_view what) const {
  return Error(
      absl::StrCat("unexpected ", Describe(current()), ", expected ", what));
}

}  // namespace shoal::model::jinja

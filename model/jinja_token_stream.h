// Walks over the tokens of a template for the parser.

#ifndef SHOAL_MODEL_JINJA_TOKEN_STREAM_H_
#define SHOAL_MODEL_JINJA_TOKEN_STREAM_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/jinja_lexer.h"

namespace shoal::model::jinja {

// Threads: thread-compatible.
class TokenStream {
 public:
  // REQUIRES: the last token is kEnd.
  explicit TokenStream(std::vector<Token> tokens)
      : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  // Stays at the end.
  Token Take();
  int line() const { return current().line; }

  bool At(TokenKind kind) const { return current().kind == kind; }
  bool AtOperator(absl::string_view text) const;
  bool AtName(absl::string_view text) const;
  // True if it was there, and then it is behind.
  bool SkipOperator(absl::string_view text);
  bool SkipName(absl::string_view text);

  // Errors: kInvalidArgument  something else is there; "line N: ..."
  absl::Status Expect(TokenKind kind, absl::string_view what);
  absl::Status ExpectOperator(absl::string_view text);
  absl::Status ExpectName(absl::string_view text);

  // "line N: `what`" with the line of the current token.
  absl::Status Error(absl::string_view what) const;
  // "unexpected ..., expected `what`".
  absl::Status Unexpected(absl::string_view what) const;

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

absl::Status ErrorAtLine(int line, absl::string_view what);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_TOKEN_STREAM_H_

// Parses the expressions of a template.

#ifndef SHOAL_MODEL_JINJA_EXPRESSION_PARSER_H_
#define SHOAL_MODEL_JINJA_EXPRESSION_PARSER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/jinja_ast.h"
#include "model/jinja_token_stream.h"

namespace shoal::model::jinja {

// Source: the template designer documentation of Jinja 3.1, "Expressions"; the
// order of precedence is or, and, not, comparison, + -, ~, * / // %, **, sign,
// filters and tests.
// Limits:  kDepthMax brackets and the like inside of each other, and as many
//          operators in one chain.
// Errors, of all:
//   kInvalidArgument  something that is no expression, an argument of the form
//                     *list or **mapping, or a limit; "line N: ..."
// Threads: thread-compatible.
class ExpressionParser {
 public:
  using Result = absl::StatusOr<ExpressionPtr>;
  static constexpr int kDepthMax = 200;

  // `tokens` is borrowed and must outlive this.
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  // `a if b else c` counts only with `conditional`.
  Result Parse(bool conditional = true);
  // One expression, or several with commas between them.
  Result ParseTuple(bool conditional = true);
  // What {% set %}, {% for %} or {% with %} assign to: a name, several of them,
  // or an attribute of a namespace if `attribute` is on.
  Result ParseTarget(bool attribute);
  // "| filter | ..." behind `input`; also "is test" and calls.
  Result ParseFilters(ExpressionPtr input);
  // One filter with its arguments, from its name on.
  Result ParseFilter(ExpressionPtr input);

  // For nodes made elsewhere.
  static ExpressionPtr Make(Expression::Kind kind, int line);

 private:
  using Kind = Expression::Kind;
  class Nesting;

  Result ParseConditional();
  Result ParseOr();
  Result ParseAnd();
  Result ParseNot();
  Result ParseComparison();
  // level 0: + -, 1: ~, 2: * / // %, 3: **
  Result ParseBinary(int level);
  Result ParseUnary(bool with_filters);
  Result ParsePrimary();
  Result ParseName();
  Result ParseNumber();
  Result ParseParentheses();
  Result ParseList();
  Result ParseDict();
  Result ParsePostfix(ExpressionPtr object);
  Result ParseSubscript(ExpressionPtr object);
  Result ParseTest(ExpressionPtr input);
  absl::Status ParseArguments(Expression& call);
  absl::StatusOr<std::string> ParseDottedName(absl::string_view what);

  // Adds a child (null is allowed) and counts its depth.
  absl::Status Adopt(Expression& parent, ExpressionPtr child);
  Result Wrap(Kind kind, int line, ExpressionPtr child);

  TokenStream& tokens_;
  int nesting_ = 0;
};

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_EXPRESSION_PARSER_H_

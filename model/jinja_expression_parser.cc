#include "model/jinja_expression_parser.h"

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::model::jinja {

// Counts how deep the parser is inside of itself.
class ExpressionParser::Nesting {
 public:
  explicit Nesting(int& depth) : depth_(depth) { ++depth_; }
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

ExpressionPtr ExpressionParser::Make(Kind kind, int line) {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  return node;
}

absl::Status ExpressionParser::Adopt(Expression& parent, ExpressionPtr child) {
  if (child != nullptr) {
    if (child->depth >= kDepthMax) {
      return ErrorAtLine(parent.line,
                         absl::StrCat("an expression is more than ", kDepthMax,
                                      " operators deep; so many are allowed"));
    }
    parent.depth = std::max<uint16_t>(parent.depth,
                                      static_cast<uint16_t>(child->depth + 1));
  }
  parent.children.push_back(std::move(child));
  return absl::OkStatus();
}

ExpressionParser::Result ExpressionParser::Wrap(Kind kind, int line,
                                                ExpressionPtr child) {
  ExpressionPtr node = Make(kind, line);
  SHOAL_RETURN_IF_ERROR(Adopt(*node, std::move(child)));
  return node;
}

ExpressionParser::Result ExpressionParser::Parse(bool conditional) {
  const Nesting nesting(nesting_);
  if (nesting_ > kDepthMax) {
    return tokens_.Error(
        absl::StrCat("expressions inside of each other more than ", kDepthMax,
                     " deep; so many are allowed"));
  }
  return conditional ? ParseConditional() : ParseOr();
}

ExpressionParser::Result ExpressionParser::ParseTuple(bool conditional) {
  const int line = tokens_.line();
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr first, Parse(conditional));
  if (!tokens_.AtOperator(",")) return first;
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr tuple,
                         Wrap(Kind::kTuple, line, std::move(first)));
  while (tokens_.SkipOperator(",")) {
    if (tokens_.At(TokenKind::kBlockEnd) ||
        tokens_.At(TokenKind::kVariableEnd) || tokens_.AtOperator(")")) {
      break;
    }
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr item, Parse(conditional));
    SHOAL_RETURN_IF_ERROR(Adopt(*tuple, std::move(item)));
  }
  return tuple;
}

ExpressionParser::Result ExpressionParser::ParseTarget(bool attribute) {
  const bool parentheses = tokens_.SkipOperator("(");
  const int line = tokens_.line();
  const auto parse_one = [&]() -> Result {
    ExpressionPtr name = Make(Kind::kName, tokens_.line());
    if (!tokens_.At(TokenKind::kName)) {
      return tokens_.Unexpected("a name to assign to");
    }
    name->text = tokens_.Take().text;
    if (!attribute || !tokens_.SkipOperator(".")) return name;
    if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("a name");
    const std::string text = tokens_.Take().text;
    const int name_line = name->line;
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr node,
                           Wrap(Kind::kAttribute, name_line, std::move(name)));
    node->text = text;
    return node;
  };
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr target, parse_one());
  if (tokens_.AtOperator(",")) {
    SHOAL_ASSIGN_OR_RETURN(target, Wrap(Kind::kTuple, line, std::move(target)));
    while (tokens_.SkipOperator(",")) {
      if (!tokens_.At(TokenKind::kName) || tokens_.AtName("in")) break;
      SHOAL_ASSIGN_OR_RETURN(ExpressionPtr next, parse_one());
      SHOAL_RETURN_IF_ERROR(Adopt(*target, std::move(next)));
    }
  }
  if (parentheses) SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator(")"));
  return target;
}

ExpressionParser::Result ExpressionParser::ParseConditional() {
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr value, ParseOr());
  while (tokens_.AtName("if")) {
    const int line = tokens_.Take().line;
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
    ExpressionPtr other;
    if (tokens_.SkipName("else")) {
      SHOAL_ASSIGN_OR_RETURN(other, Parse());
    }
    SHOAL_ASSIGN_OR_RETURN(value,
                           Wrap(Kind::kConditional, line, std::move(value)));
    SHOAL_RETURN_IF_ERROR(Adopt(*value, std::move(condition)));
    SHOAL_RETURN_IF_ERROR(Adopt(*value, std::move(other)));
  }
  return value;
}

ExpressionParser::Result ExpressionParser::ParseOr() {
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr left, ParseAnd());
  while (tokens_.AtName("or")) {
    const int line = tokens_.Take().line;
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr right, ParseAnd());
    SHOAL_ASSIGN_OR_RETURN(left, Wrap(Kind::kOr, line, std::move(left)));
    SHOAL_RETURN_IF_ERROR(Adopt(*left, std::move(right)));
  }
  return left;
}

ExpressionParser::Result ExpressionParser::ParseAnd() {
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr left, ParseNot());
  while (tokens_.AtName("and")) {
    const int line = tokens_.Take().line;
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr right, ParseNot());
    SHOAL_ASSIGN_OR_RETURN(left, Wrap(Kind::kAnd, line, std::move(left)));
    SHOAL_RETURN_IF_ERROR(Adopt(*left, std::move(right)));
  }
  return left;
}

ExpressionParser::Result ExpressionParser::ParseNot() {
  std::vector<int> lines;
  while (tokens_.AtName("not")) lines.push_back(tokens_.Take().line);
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr node, ParseComparison());
  while (!lines.empty()) {
    SHOAL_ASSIGN_OR_RETURN(node,
                           Wrap(Kind::kNot, lines.back(), std::move(node)));
    lines.pop_back();
  }
  return node;
}

ExpressionParser::Result ExpressionParser::ParseComparison() {
  const int line = tokens_.line();
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr left, ParseBinary(0));
  ExpressionPtr comparison;
  while (true) {
    std::string op;
    for (const char* known : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (tokens_.AtOperator(known)) op = known;
    }
    if (!op.empty()) {
      tokens_.Take();
    } else if (tokens_.SkipName("in")) {
      op = "in";
    } else if (tokens_.AtName("not")) {
      tokens_.Take();
      SHOAL_RETURN_IF_ERROR(tokens_.ExpectName("in"));
      op = "not in";
    } else {
      break;
    }
    if (comparison == nullptr) {
      SHOAL_ASSIGN_OR_RETURN(comparison,
                             Wrap(Kind::kComparison, line, std::move(left)));
    }
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr right, ParseBinary(0));
    SHOAL_RETURN_IF_ERROR(Adopt(*comparison, std::move(right)));
    comparison->names.push_back(op);
  }
  return comparison != nullptr ? std::move(comparison) : std::move(left);
}

ExpressionParser::Result ExpressionParser::ParseBinary(int level) {
  static const std::vector<const char*> kOperators[] = {
      {"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}};
  constexpr int kLevels = 4;
  if (level == kLevels) return ParseUnary(/*with_filters=*/true);
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr left, ParseBinary(level + 1));
  while (std::any_of(kOperators[level].begin(), kOperators[level].end(),
                     [&](const char* op) { return tokens_.AtOperator(op); })) {
    const Token op = tokens_.Take();
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr right, ParseBinary(level + 1));
    SHOAL_ASSIGN_OR_RETURN(left, Wrap(Kind::kBinary, op.line, std::move(left)));
    left->text = op.text;
    SHOAL_RETURN_IF_ERROR(Adopt(*left, std::move(right)));
  }
  return left;
}

ExpressionParser::Result ExpressionParser::ParseUnary(bool with_filters) {
  const Nesting nesting(nesting_);
  if (nesting_ > kDepthMax) return tokens_.Error("too many signs");
  const int line = tokens_.line();
  const bool negative = tokens_.AtOperator("-");
  ExpressionPtr node;
  if (negative || tokens_.AtOperator("+")) {
    tokens_.Take();
    SHOAL_ASSIGN_OR_RETURN(node, ParseUnary(/*with_filters=*/false));
    SHOAL_ASSIGN_OR_RETURN(
        node, Wrap(negative ? Kind::kNegative : Kind::kPositive, line,
                   std::move(node)));
  } else {
    SHOAL_ASSIGN_OR_RETURN(node, ParsePrimary());
  }
  SHOAL_ASSIGN_OR_RETURN(node, ParsePostfix(std::move(node)));
  if (!with_filters) return node;
  return ParseFilters(std::move(node));
}

}  // namespace shoal::model::jinja

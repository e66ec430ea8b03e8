// The operands of expressions: names, constants, brackets, and what stands
// behind them: attributes, subscripts, calls, filters and tests.

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_expression_parser.h"

namespace shoal::model::jinja {

ExpressionParser::Result ExpressionParser::ParsePrimary() {
  switch (tokens_.current().kind) {
    case TokenKind::kName:
      return ParseName();
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return ParseNumber();
    case TokenKind::kString: {
      ExpressionPtr node = Make(Kind::kConstant, tokens_.line());
      std::string text = tokens_.Take().text;
      // Strings one after another are one string.
      while (tokens_.At(TokenKind::kString)) text += tokens_.Take().text;
      node->value = std::make_shared<const std::string>(std::move(text));
      return node;
    }
    default:
      break;
  }
  if (tokens_.AtOperator("(")) return ParseParentheses();
  if (tokens_.AtOperator("[")) return ParseList();
  if (tokens_.AtOperator("{")) return ParseDict();
  return tokens_.Unexpected("an expression");
}

ExpressionParser::Result ExpressionParser::ParseName() {
  const Token token = tokens_.Take();
  ExpressionPtr node = Make(Kind::kConstant, token.line);
  if (token.text == "true" || token.text == "True") {
    node->value = true;
  } else if (token.text == "false" || token.text == "False") {
    node->value = false;
  } else if (token.text == "none" || token.text == "None") {
    node->value = None();
  } else {
    node->kind = Kind::kName;
    node->text = token.text;
  }
  return node;
}

ExpressionParser::Result ExpressionParser::ParseNumber() {
  const Token token = tokens_.Take();
  ExpressionPtr node = Make(Kind::kConstant, token.line);
  int64_t integer = 0;
  double number = 0;
  if (token.kind == TokenKind::kInteger &&
      absl::SimpleAtoi(token.text, &integer)) {
    node->value = integer;
  } else if (token.kind == TokenKind::kFloat &&
             absl::SimpleAtod(token.text, &number)) {
    node->value = number;
  } else {
    return ErrorAtLine(token.line, absl::StrCat("the number ", token.text,
                                                " has more than 64 bits"));
  }
  return node;
}

ExpressionParser::Result ExpressionParser::ParseParentheses() {
  const int line = tokens_.Take().line;
  if (tokens_.SkipOperator(")")) return Make(Kind::kTuple, line);
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr node, ParseTuple());
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator(")"));
  return node;
}

ExpressionParser::Result ExpressionParser::ParseList() {
  ExpressionPtr list = Make(Kind::kList, tokens_.Take().line);
  while (!tokens_.AtOperator("]")) {
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr item, Parse());
    SHOAL_RETURN_IF_ERROR(Adopt(*list, std::move(item)));
    if (!tokens_.SkipOperator(",")) break;
  }
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator("]"));
  return list;
}

ExpressionParser::Result ExpressionParser::ParseDict() {
  ExpressionPtr dict = Make(Kind::kDict, tokens_.Take().line);
  while (!tokens_.AtOperator("}")) {
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr key, Parse());
    SHOAL_RETURN_IF_ERROR(Adopt(*dict, std::move(key)));
    SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator(":"));
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr value, Parse());
    SHOAL_RETURN_IF_ERROR(Adopt(*dict, std::move(value)));
    if (!tokens_.SkipOperator(",")) break;
  }
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator("}"));
  return dict;
}

ExpressionParser::Result ExpressionParser::ParsePostfix(ExpressionPtr object) {
  while (true) {
    const int line = tokens_.line();
    if (tokens_.SkipOperator(".")) {
      const bool index = tokens_.At(TokenKind::kInteger);
      if (!index && !tokens_.At(TokenKind::kName)) {
        return tokens_.Unexpected("the name of an attribute");
      }
      SHOAL_ASSIGN_OR_RETURN(
          object, Wrap(index ? Kind::kSubscript : Kind::kAttribute, line,
                       std::move(object)));
      if (index) {
        SHOAL_ASSIGN_OR_RETURN(ExpressionPtr number, ParseNumber());
        SHOAL_RETURN_IF_ERROR(Adopt(*object, std::move(number)));
      } else {
        object->text = tokens_.Take().text;
      }
    } else if (tokens_.AtOperator("[")) {
      SHOAL_ASSIGN_OR_RETURN(object, ParseSubscript(std::move(object)));
    } else if (tokens_.AtOperator("(")) {
      SHOAL_ASSIGN_OR_RETURN(object,
                             Wrap(Kind::kCall, line, std::move(object)));
      SHOAL_RETURN_IF_ERROR(ParseArguments(*object));
    } else {
      return object;
    }
  }
}

ExpressionParser::Result ExpressionParser::ParseSubscript(
    ExpressionPtr object) {
  const int line = tokens_.Take().line;
  const auto parse_bound = [&]() -> Result {
    if (tokens_.AtOperator(":") || tokens_.AtOperator("]")) {
      return ExpressionPtr();
    }
    return Parse();
  };
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr begin, parse_bound());
  const bool slice = tokens_.AtOperator(":");
  if (!slice && begin == nullptr) return tokens_.Unexpected("an index");
  SHOAL_ASSIGN_OR_RETURN(
      ExpressionPtr node,
      Wrap(slice ? Kind::kSlice : Kind::kSubscript, line, std::move(object)));
  SHOAL_RETURN_IF_ERROR(Adopt(*node, std::move(begin)));
  if (slice) {
    for (int i = 0; i < 2; ++i) {
      ExpressionPtr bound;
      if (tokens_.SkipOperator(":")) {
        SHOAL_ASSIGN_OR_RETURN(bound, parse_bound());
      }
      SHOAL_RETURN_IF_ERROR(Adopt(*node, std::move(bound)));
    }
  }
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator("]"));
  return node;
}

absl::Status ExpressionParser::ParseArguments(Expression& call) {
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator("("));
  while (!tokens_.AtOperator(")")) {
    if (tokens_.AtOperator("*") || tokens_.AtOperator("**")) {
      return tokens_.Error(absl::StrCat("arguments of the form ",
                                        tokens_.current().text,
                                        "NAME are not supported"));
    }
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr argument, Parse());
    if (argument->kind == Kind::kName && tokens_.SkipOperator("=")) {
      call.names.push_back(argument->text);
      SHOAL_ASSIGN_OR_RETURN(argument, Parse());
    } else if (!call.names.empty()) {
      return tokens_.Error("an argument without a name behind one with a name");
    }
    SHOAL_RETURN_IF_ERROR(Adopt(call, std::move(argument)));
    if (!tokens_.SkipOperator(",")) break;
  }
  return tokens_.ExpectOperator(")");
}

absl::StatusOr<std::string> ExpressionParser::ParseDottedName(
    absl::string_view what) {
  std::string name;
  do {
    if (!name.empty()) name += ".";
    if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected(what);
    name += tokens_.Take().text;
  } while (tokens_.SkipOperator("."));
  return name;
}

ExpressionParser::Result ExpressionParser::ParseFilters(ExpressionPtr input) {
  while (true) {
    if (tokens_.SkipOperator("|")) {
      SHOAL_ASSIGN_OR_RETURN(input, ParseFilter(std::move(input)));
    } else if (tokens_.AtName("is")) {
      SHOAL_ASSIGN_OR_RETURN(input, ParseTest(std::move(input)));
    } else if (tokens_.AtOperator("(")) {
      SHOAL_ASSIGN_OR_RETURN(
          input, Wrap(Kind::kCall, tokens_.line(), std::move(input)));
      SHOAL_RETURN_IF_ERROR(ParseArguments(*input));
    } else {
      return input;
    }
  }
}

ExpressionParser::Result ExpressionParser::ParseFilter(ExpressionPtr input) {
  const int line = tokens_.line();
  SHOAL_ASSIGN_OR_RETURN(const std::string name,
                         ParseDottedName("the name of a filter"));
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr filter,
                         Wrap(Kind::kFilter, line, std::move(input)));
  filter->text = name;
  if (tokens_.AtOperator("(")) SHOAL_RETURN_IF_ERROR(ParseArguments(*filter));
  return filter;
}

ExpressionParser::Result ExpressionParser::ParseTest(ExpressionPtr input) {
  const int line = tokens_.Take().line;
  const bool negated = tokens_.SkipName("not");
  SHOAL_ASSIGN_OR_RETURN(const std::string name,
                         ParseDottedName("the name of a test"));
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr test,
                         Wrap(Kind::kTest, line, std::move(input)));
  test->text = name;
  const TokenKind next = tokens_.current().kind;
  // One argument may stand without parentheses: "x is divisibleby 3".
  const bool word = next == TokenKind::kName && !tokens_.AtName("else") &&
                    !tokens_.AtName("or") && !tokens_.AtName("and");
  if (tokens_.AtOperator("(")) {
    SHOAL_RETURN_IF_ERROR(ParseArguments(*test));
  } else if (word || next == TokenKind::kString ||
             next == TokenKind::kInteger || next == TokenKind::kFloat ||
             tokens_.AtOperator("[") || tokens_.AtOperator("{")) {
    if (tokens_.AtName("is")) {
      return tokens_.Error("one test behind another; write them with 'and'");
    }
    SHOAL_ASSIGN_OR_RETURN(ExpressionPtr argument, ParsePrimary());
    SHOAL_ASSIGN_OR_RETURN(argument, ParsePostfix(std::move(argument)));
    SHOAL_RETURN_IF_ERROR(Adopt(*test, std::move(argument)));
  }
  if (!negated) return test;
  return Wrap(Kind::kNot, line, std::move(test));
}

}  // namespace shoal::model::jinja

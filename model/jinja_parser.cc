#include "model/jinja_parser.h"

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/jinja_expression_parser.h"
#include "model/jinja_lexer.h"
#include "model/jinja_token_stream.h"

namespace shoal::model::jinja {
namespace {

using Words = std::initializer_list<absl::string_view>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens)
      : tokens_(std::move(tokens)), expressions_(tokens_) {}

  absl::StatusOr<Body> Run() {
    SHOAL_ASSIGN_OR_RETURN(Body body, ParseBody({}, ""));
    return body;
  }

 private:
  using Kind = Statement::Kind;
  using Result = absl::StatusOr<Statement>;

  // Up to a tag that begins with one of `ends`, whose word is then current;
  // up to the end of the template if there are none. `opened` is for messages.
  absl::StatusOr<Body> ParseBody(Words ends, absl::string_view opened);
  // From behind "{%" to behind the last "%}" of the statement.
  Result ParseStatement();
  Result ParseIf(Statement statement);
  Result ParseFor(Statement statement);
  Result ParseSet(Statement statement);
  Result ParseMacro(Statement statement);
  Result ParseFilterBlock(Statement statement);
  Result ParseWith(Statement statement);
  Result ParseGeneration(Statement statement);
  Result ParseJump(Statement statement);
  absl::Status EndTag() { return tokens_.Expect(TokenKind::kBlockEnd, "'%}'"); }
  // The body up to {% `end` %}, and that tag.
  absl::Status ParseBodyTo(absl::string_view end, Statement& statement) {
    SHOAL_RETURN_IF_ERROR(EndTag());
    SHOAL_ASSIGN_OR_RETURN(statement.body, ParseBody({end}, statement.text));
    tokens_.Take();
    return EndTag();
  }
  ExpressionPtr BlockText() const {
    return ExpressionParser::Make(Expression::Kind::kBlockText, tokens_.line());
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int blocks_ = 0;
  int loops_ = 0;  // around, within the same macro
};

absl::StatusOr<Body> Parser::ParseBody(Words ends, absl::string_view opened) {
  const int first_line = tokens_.line();
  if (++blocks_ > kBlocksMax) {
    return tokens_.Error(absl::StrCat("blocks inside of each other more than ",
                                      kBlocksMax,
                                      " deep; so many are allowed"));
  }
  Body body;
  while (!tokens_.At(TokenKind::kEnd)) {
    Statement statement;
    statement.line = tokens_.line();
    if (tokens_.At(TokenKind::kText)) {
      statement.text = tokens_.Take().text;
    } else if (tokens_.At(TokenKind::kVariableBegin)) {
      tokens_.Take();
      statement.kind = Kind::kPrint;
      SHOAL_ASSIGN_OR_RETURN(statement.condition, expressions_.ParseTuple());
      SHOAL_RETURN_IF_ERROR(tokens_.Expect(TokenKind::kVariableEnd, "'}}'"));
    } else {
      SHOAL_RETURN_IF_ERROR(tokens_.Expect(TokenKind::kBlockBegin, "'{%'"));
      for (const absl::string_view end : ends) {
        if (!tokens_.AtName(end)) continue;
        --blocks_;
        return body;
      }
      SHOAL_ASSIGN_OR_RETURN(statement, ParseStatement());
    }
    body.push_back(std::move(statement));
  }
  if (ends.size() > 0) {
    return ErrorAtLine(first_line, absl::StrCat("the block {% ", opened,
                                                " %} does not end with ",
                                                absl::StrJoin(ends, " or ")));
  }
  --blocks_;
  return body;
}

Parser::Result Parser::ParseStatement() {
  if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("a statement");
  Statement statement;
  statement.line = tokens_.line();
  statement.text = tokens_.Take().text;
  const std::string& word = statement.text;
  if (word == "if") return ParseIf(std::move(statement));
  if (word == "for") return ParseFor(std::move(statement));
  if (word == "set") return ParseSet(std::move(statement));
  if (word == "macro") return ParseMacro(std::move(statement));
  if (word == "filter") return ParseFilterBlock(std::move(statement));
  if (word == "with") return ParseWith(std::move(statement));
  if (word == "generation") return ParseGeneration(std::move(statement));
  if (word == "break" || word == "continue") {
    return ParseJump(std::move(statement));
  }
  for (const absl::string_view known :
       {"call", "include", "import", "from", "extends", "block", "autoescape",
        "trans", "do", "debug"}) {
    if (word != known) continue;
    return absl::UnimplementedError(absl::StrCat("line ", statement.line,
                                                 ": the statement {% ", word,
                                                 " %} is not supported"));
  }
  return ErrorAtLine(statement.line,
                     absl::StrCat("{% ", word, " %} is no statement here"));
}

Parser::Result Parser::ParseIf(Statement statement) {
  statement.kind = Kind::kIf;
  // Stays at an end tag's word after each body.
  while (true) {
    Statement::Branch branch;
    SHOAL_ASSIGN_OR_RETURN(branch.condition, expressions_.ParseTuple());
    SHOAL_RETURN_IF_ERROR(EndTag());
    SHOAL_ASSIGN_OR_RETURN(branch.body,
                           ParseBody({"elif", "else", "endif"}, "if"));
    statement.branches.push_back(std::move(branch));
    if (!tokens_.SkipName("elif")) break;
  }
  if (tokens_.SkipName("else")) {
    SHOAL_RETURN_IF_ERROR(EndTag());
    Statement::Branch branch;
    SHOAL_ASSIGN_OR_RETURN(branch.body, ParseBody({"endif"}, "else"));
    statement.branches.push_back(std::move(branch));
  }
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectName("endif"));
  SHOAL_RETURN_IF_ERROR(EndTag());
  return statement;
}

Parser::Result Parser::ParseFor(Statement statement) {
  statement.kind = Kind::kFor;
  Binding& binding = statement.bindings.emplace_back();
  SHOAL_ASSIGN_OR_RETURN(binding.target,
                         expressions_.ParseTarget(/*attribute=*/false));
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectName("in"));
  SHOAL_ASSIGN_OR_RETURN(binding.value,
                         expressions_.ParseTuple(/*conditional=*/false));
  if (tokens_.SkipName("if")) {
    SHOAL_ASSIGN_OR_RETURN(statement.condition, expressions_.Parse());
  }
  if (tokens_.AtName("recursive")) {
    return absl::UnimplementedError(absl::StrCat(
        "line ", tokens_.line(), ": {% for ... recursive %} is not supported"));
  }
  SHOAL_RETURN_IF_ERROR(EndTag());
  ++loops_;
  SHOAL_ASSIGN_OR_RETURN(statement.body, ParseBody({"else", "endfor"}, "for"));
  --loops_;
  if (tokens_.SkipName("else")) {
    SHOAL_RETURN_IF_ERROR(EndTag());
    SHOAL_ASSIGN_OR_RETURN(statement.otherwise, ParseBody({"endfor"}, "else"));
  }
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectName("endfor"));
  SHOAL_RETURN_IF_ERROR(EndTag());
  return statement;
}

Parser::Result Parser::ParseSet(Statement statement) {
  Binding& binding = statement.bindings.emplace_back();
  SHOAL_ASSIGN_OR_RETURN(binding.target,
                         expressions_.ParseTarget(/*attribute=*/true));
  if (tokens_.SkipOperator("=")) {
    statement.kind = Kind::kSet;
    SHOAL_ASSIGN_OR_RETURN(binding.value, expressions_.ParseTuple());
    SHOAL_RETURN_IF_ERROR(EndTag());
    return statement;
  }
  statement.kind = Kind::kSetBlock;
  SHOAL_ASSIGN_OR_RETURN(binding.value, expressions_.ParseFilters(BlockText()));
  SHOAL_RETURN_IF_ERROR(ParseBodyTo("endset", statement));
  return statement;
}

Parser::Result Parser::ParseMacro(Statement statement) {
  statement.kind = Kind::kMacro;
  if (!tokens_.At(TokenKind::kName)) {
    return tokens_.Unexpected("the name of the macro");
  }
  const std::string name = tokens_.Take().text;
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator("("));
  while (!tokens_.AtOperator(")")) {
    if (!tokens_.At(TokenKind::kName)) {
      return tokens_.Unexpected("the name of a parameter");
    }
    Binding parameter;
    parameter.target =
        ExpressionParser::Make(Expression::Kind::kName, tokens_.line());
    parameter.target->text = tokens_.Take().text;
    if (tokens_.SkipOperator("=")) {
      SHOAL_ASSIGN_OR_RETURN(parameter.value, expressions_.Parse());
    }
    statement.bindings.push_back(std::move(parameter));
    if (!tokens_.SkipOperator(",")) break;
  }
  SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator(")"));
  const int loops = std::exchange(loops_, 0);
  SHOAL_RETURN_IF_ERROR(ParseBodyTo("endmacro", statement));
  loops_ = loops;
  statement.text = name;
  return statement;
}

Parser::Result Parser::ParseFilterBlock(Statement statement) {
  statement.kind = Kind::kFilter;
  SHOAL_ASSIGN_OR_RETURN(ExpressionPtr filter,
                         expressions_.ParseFilter(BlockText()));
  SHOAL_ASSIGN_OR_RETURN(statement.condition,
                         expressions_.ParseFilters(std::move(filter)));
  SHOAL_RETURN_IF_ERROR(ParseBodyTo("endfilter", statement));
  return statement;
}

Parser::Result Parser::ParseWith(Statement statement) {
  statement.kind = Kind::kWith;
  while (!tokens_.At(TokenKind::kBlockEnd)) {
    Binding binding;
    SHOAL_ASSIGN_OR_RETURN(binding.target,
                           expressions_.ParseTarget(/*attribute=*/false));
    SHOAL_RETURN_IF_ERROR(tokens_.ExpectOperator("="));
    SHOAL_ASSIGN_OR_RETURN(binding.value, expressions_.Parse());
    statement.bindings.push_back(std::move(binding));
    if (!tokens_.SkipOperator(",")) break;
  }
  SHOAL_RETURN_IF_ERROR(ParseBodyTo("endwith", statement));
  return statement;
}

Parser::Result Parser::ParseGeneration(Statement statement) {
  statement.kind = Kind::kScope;
  SHOAL_RETURN_IF_ERROR(ParseBodyTo("endgeneration", statement));
  return statement;
}

Parser::Result Parser::ParseJump(Statement statement) {
  if (loops_ == 0) {
    return ErrorAtLine(statement.line, absl::StrCat("{% ", statement.text,
                                                    " %} outside of a loop"));
  }
  statement.kind = statement.text == "break" ? Kind::kBreak : Kind::kContinue;
  SHOAL_RETURN_IF_ERROR(EndTag());
  return statement;
}

}  // namespace

absl::StatusOr<Body> ParseTemplate(absl::string_view source) {
  SHOAL_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Run();
}

}  // namespace shoal::model::jinja

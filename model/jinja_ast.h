// A parsed template.

#ifndef SHOAL_MODEL_JINJA_AST_H_
#define SHOAL_MODEL_JINJA_AST_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/jinja_value.h"

namespace shoal::model::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// One type for all kinds: `children` in the order of the comments. A null
// child is an operand that was left out.
struct Expression {
  enum class Kind : uint8_t {
    kConstant,   // value
    kBlockText,  // the text of the {% set %} or {% filter %} block around
    kName,       // text
    kTuple,      // items
    kList,       // items
    kDict,       // key, value, key, value, ...
    kNot,
    kNegative,
    kPositive,
    kAnd,          // left, right
    kOr,           // left, right
    kBinary,       // left, right; text: + - * / // % ** ~
    kComparison,   // first, then one for each of `names`: == in "not in" ...
    kConditional,  // value, condition, other value (may be null)
    kAttribute,    // object; text
    kSubscript,    // object, index
    kSlice,        // object, begin, end, step (each of the three may be null)
    kCall,         // function, arguments
    kFilter,       // input, arguments; text: its name
    kTest,         // input, arguments; text: its name
  };

  Kind kind = Kind::kConstant;
  int line = 1;
  // Longest way down to a leaf; bounds how deep evaluation and destruction go.
  uint16_t depth = 1;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> children;
  // Names of the last names.size() arguments, which are given by keyword.
  std::vector<std::string> names;
};

struct Statement;
using Body = std::vector<Statement>;

// A name with its expression: a parameter of a macro and its default (may be
// null), or a target of {% set %} or {% with %} and its value.
struct Binding {
  ExpressionPtr target;  // kName, kTuple, or kAttribute of a namespace
  ExpressionPtr value;
};

struct Statement {
  enum class Kind : uint8_t {
    kText,      // text
    kPrint,     // condition: what is printed
    kIf,        // branches
    kFor,       // binding: target, in; condition (may be null); body;
                // otherwise
    kSet,       // binding
    kSetBlock,  // binding, its value made from kBlockText; body
    kMacro,     // text: its name; bindings: parameters; body
    kFilter,    // condition: made from kBlockText; body
    kWith,      // bindings; body
    kScope,     // body with names of its own ({% generation %})
    kBreak,
    kContinue,
  };
  struct Branch;

  Kind kind = Kind::kText;
  int line = 1;
  std::string text;
  ExpressionPtr condition;
  std::vector<Binding> bindings;
  std::vector<Branch> branches;  // conditions in order; null: else
  Body body;
  Body otherwise;
};

struct Statement::Branch {
  ExpressionPtr condition;
  Body body;
};

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_AST_H_

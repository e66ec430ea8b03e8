// Expressions: the other half of jinja_evaluator.h.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/jinja_evaluator.h"
#include "model/jinja_evaluator_depth.h"
#include "model/jinja_operators.h"

namespace shoal::model::jinja {
namespace {

using Kind = Expression::Kind;

// What stands in a call before the parenthesis, for messages.
std::string NameOf(const Expression& function) {
  return function.text.empty() ? "the value that is called"
                               : absl::StrCat("'", function.text, "'");
}

}  // namespace

absl::StatusOr<Value> Evaluator::Evaluate(const Expression& expression,
                                          Scope* scope) {
  const Depth depth(*this);
  if (!depth.ok()) return depth.status();
  line_ = expression.line;
  if (!heap_.Charge(kStepWork)) return heap_.status();
  Result result = EvaluateNow(expression, scope);
  // A result that hit a limit is not what it seems.
  if (result.ok() && !heap_.status().ok()) return heap_.status();
  return result;
}

absl::StatusOr<Value> Evaluator::EvaluateNow(const Expression& expression,
                                             Scope* scope) {
  switch (expression.kind) {
    case Kind::kConstant:
      return expression.value;
    case Kind::kBlockText:
      SHOAL_CHECK(!block_texts_.empty());
      return block_texts_.back();
    case Kind::kName:
      return EvaluateName(expression, scope);
    case Kind::kTuple:
    case Kind::kList:
      return EvaluateItems(expression, scope);
    case Kind::kDict:
      return EvaluateDict(expression, scope);
    case Kind::kNot:
    case Kind::kNegative:
    case Kind::kPositive:
      return EvaluateSign(expression, scope);
    case Kind::kAnd:
    case Kind::kOr:
      return EvaluateLogic(expression, scope);
    case Kind::kBinary:
      return EvaluateBinary(expression, scope);
    case Kind::kComparison:
      return EvaluateComparison(expression, scope);
    case Kind::kConditional:
      return EvaluateConditional(expression, scope);
    case Kind::kAttribute:
    case Kind::kSubscript:
      return EvaluateSubscript(expression, scope);
    case Kind::kSlice:
      return EvaluateSlice(expression, scope);
    case Kind::kCall:
      return EvaluateCall(expression, scope);
    case Kind::kFilter:
      return EvaluateFilter(expression, scope);
    case Kind::kTest:
      return EvaluateTest(expression, scope);
  }
  return absl::InternalError("an expression of no kind");
}

absl::StatusOr<Value> Evaluator::EvaluateName(const Expression& expression,
                                              Scope* scope) {
  if (const Value* value = scope->Find(expression.text)) return *value;
  if (HasFunction(expression.text)) {
    return heap_.MakeCallable({.kind = Callable::Kind::kFunction,
                               .name = expression.text,
                               .self = {}});
  }
  return Undefined{&expression.text};
}

absl::StatusOr<Value> Evaluator::EvaluateItems(const Expression& expression,
                                               Scope* scope) {
  std::vector<Value> items;
  items.reserve(expression.children.size());
  for (const ExpressionPtr& child : expression.children) {
    SHOAL_ASSIGN_OR_RETURN(Value item, Evaluate(*child, scope));
    items.push_back(std::move(item));
  }
  return heap_.MakeList(std::move(items), expression.kind == Kind::kTuple);
}

absl::StatusOr<Value> Evaluator::EvaluateDict(const Expression& expression,
                                              Scope* scope) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < expression.children.size(); i += 2) {
    SHOAL_ASSIGN_OR_RETURN(Value key, Evaluate(*expression.children[i], scope));
    SHOAL_ASSIGN_OR_RETURN(Value value,
                           Evaluate(*expression.children[i + 1], scope));
    if (Is<const List*>(key) || Is<const Dict*>(key)) {
      return absl::UnimplementedError(absl::StrCat(
          "a ", TypeName(key), " as the key of a mapping is not supported"));
    }
    entries.emplace_back(std::move(key), std::move(value));
  }
  return heap_.MakeDict(std::move(entries));
}

absl::StatusOr<Value> Evaluator::EvaluateSign(const Expression& expression,
                                              Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(Value value, Evaluate(*expression.children[0], scope));
  line_ = expression.line;
  if (expression.kind == Kind::kNot) return Value(!IsTrue(value));
  SHOAL_ASSIGN_OR_RETURN(Value negative, Negate(value));
  return expression.kind == Kind::kNegative ? negative : value;
}

absl::StatusOr<Value> Evaluator::EvaluateLogic(const Expression& expression,
                                               Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(Value left, Evaluate(*expression.children[0], scope));
  const bool decided = IsTrue(left) == (expression.kind == Kind::kOr);
  if (decided) return left;
  return Evaluate(*expression.children[1], scope);
}

absl::StatusOr<Value> Evaluator::EvaluateBinary(const Expression& expression,
                                                Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const Value left,
                         Evaluate(*expression.children[0], scope));
  SHOAL_ASSIGN_OR_RETURN(const Value right,
                         Evaluate(*expression.children[1], scope));
  line_ = expression.line;
  return Operate(heap_, expression.text, left, right);
}

absl::StatusOr<Value> Evaluator::EvaluateComparison(
    const Expression& expression, Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(Value left, Evaluate(*expression.children[0], scope));
  for (size_t i = 0; i < expression.names.size(); ++i) {
    SHOAL_ASSIGN_OR_RETURN(Value right,
                           Evaluate(*expression.children[i + 1], scope));
    line_ = expression.line;
    SHOAL_ASSIGN_OR_RETURN(const bool holds,
                           CompareBy(heap_, expression.names[i], left, right));
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

absl::StatusOr<Value> Evaluator::EvaluateConditional(
    const Expression& expression, Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const Value condition,
                         Evaluate(*expression.children[1], scope));
  if (IsTrue(condition)) return Evaluate(*expression.children[0], scope);
  if (expression.children[2] == nullptr) return Undefined();
  return Evaluate(*expression.children[2], scope);
}

absl::StatusOr<Value> Evaluator::EvaluateSubscript(const Expression& expression,
                                                   Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const Value object,
                         Evaluate(*expression.children[0], scope));
  if (expression.kind == Kind::kAttribute) {
    line_ = expression.line;
    return Attribute(heap_, object, expression.text);
  }
  const Expression& index_expression = *expression.children[1];
  SHOAL_ASSIGN_OR_RETURN(const Value index, Evaluate(index_expression, scope));
  line_ = expression.line;
  SHOAL_ASSIGN_OR_RETURN(Value value, Subscript(heap_, object, index));
  // For messages: the key as the template has it.
  if (Is<Undefined>(value) && index_expression.kind == Kind::kConstant &&
      IsText(index_expression.value)) {
    return Undefined{&TextOf(index_expression.value)};
  }
  return value;
}

absl::StatusOr<Value> Evaluator::EvaluateSlice(const Expression& expression,
                                               Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const Value object,
                         Evaluate(*expression.children[0], scope));
  SliceBounds bounds;
  std::optional<int64_t>* const places[] = {&bounds.begin, &bounds.end,
                                            &bounds.step};
  for (size_t i = 0; i < 3; ++i) {
    const Expression* child = expression.children[i + 1].get();
    if (child == nullptr) continue;
    SHOAL_ASSIGN_OR_RETURN(const Value bound, Evaluate(*child, scope));
    if (Is<None>(bound)) continue;
    if (!Is<int64_t>(bound)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a slice with a ", TypeName(bound), "; it needs integers"));
    }
    *places[i] = std::get<int64_t>(bound);
  }
  line_ = expression.line;
  return Slice(heap_, object, bounds);
}

absl::StatusOr<Arguments> Evaluator::EvaluateArguments(const Expression& call,
                                                       Scope* scope) {
  Arguments arguments;
  const size_t count = call.children.size() - 1;
  const size_t positional = count - call.names.size();
  for (size_t i = 0; i < count; ++i) {
    SHOAL_ASSIGN_OR_RETURN(Value value, Evaluate(*call.children[i + 1], scope));
    if (i < positional) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(call.names[i - positional],
                                   std::move(value));
    }
  }
  return arguments;
}

absl::StatusOr<Value> Evaluator::EvaluateCall(const Expression& expression,
                                              Scope* scope) {
  const Expression& callee = *expression.children[0];
  SHOAL_ASSIGN_OR_RETURN(const Value function, Evaluate(callee, scope));
  SHOAL_ASSIGN_OR_RETURN(const Arguments arguments,
                         EvaluateArguments(expression, scope));
  line_ = expression.line;
  const auto* callable = std::get_if<const Callable*>(&function);
  if (callable == nullptr) {
    return absl::InvalidArgumentError(
        Is<Undefined>(function)
            ? absl::StrCat(UndefinedText(function), "; it is called")
            : absl::StrCat(NameOf(callee), " is a ", TypeName(function),
                           " and cannot be called"));
  }
  const Callable& target = **callable;
  const Call call{heap_, target.name, target.self, arguments};
  switch (target.kind) {
    case Callable::Kind::kMacro:
      return CallMacro(target, arguments);
    case Callable::Kind::kMethod:
      return CallMethod(call);
    case Callable::Kind::kFunction:
      return CallFunction(call, now_);
  }
  return absl::InternalError("a function of no kind");
}

absl::StatusOr<Value> Evaluator::CallMacro(const Callable& macro,
                                           const Arguments& arguments) {
  const std::vector<Binding>& parameters = macro.macro->bindings;
  if (arguments.positional.size() > parameters.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the macro '", macro.name, "' is called with ",
        arguments.positional.size(), " arguments; it has ", parameters.size()));
  }
  Scope* scope = heap_.MakeScope(macro.scope);
  std::vector<bool> given(parameters.size());
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    scope->Set(parameters[i].target->text, arguments.positional[i]);
    given[i] = true;
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find_if(
        parameters.begin(), parameters.end(),
        [&name = name](const Binding& p) { return p.target->text == name; });
    const auto index = static_cast<size_t>(found - parameters.begin());
    if (found == parameters.end() || given[index]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the macro '", macro.name, "' ",
          found == parameters.end() ? "has no parameter '" : "is given twice '",
          name, "'"));
    }
    scope->Set(name, value);
    given[index] = true;
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (given[i]) continue;
    Value value = Undefined{&parameters[i].target->text};
    if (parameters[i].value != nullptr) {
      SHOAL_ASSIGN_OR_RETURN(value, Evaluate(*parameters[i].value, scope));
    }
    scope->Set(parameters[i].target->text, std::move(value));
  }
  SHOAL_ASSIGN_OR_RETURN(std::string text, Capture(macro.macro->body, scope));
  return heap_.MakeText(std::move(text));
}

absl::StatusOr<Value> Evaluator::EvaluateFilter(const Expression& expression,
                                                Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const Value input,
                         Evaluate(*expression.children[0], scope));
  SHOAL_ASSIGN_OR_RETURN(const Arguments arguments,
                         EvaluateArguments(expression, scope));
  line_ = expression.line;
  return ApplyFilter({heap_, expression.text, input, arguments});
}

absl::StatusOr<Value> Evaluator::EvaluateTest(const Expression& expression,
                                              Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const Value input,
                         Evaluate(*expression.children[0], scope));
  SHOAL_ASSIGN_OR_RETURN(const Arguments arguments,
                         EvaluateArguments(expression, scope));
  line_ = expression.line;
  SHOAL_ASSIGN_OR_RETURN(const bool holds,
                         ApplyTest({heap_, expression.text, input, arguments}));
  return Value(holds);
}

}  // namespace shoal::model::jinja

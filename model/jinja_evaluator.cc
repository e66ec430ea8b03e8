// Statements.

#include "model/jinja_evaluator.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/jinja_evaluator_depth.h"
#include "model/jinja_operators.h"

namespace shoal::model::jinja {

absl::StatusOr<std::string> Evaluator::Render(const Body& body,
                                              Scope* globals) {
  absl::StatusOr<Flow> done = Execute(body, globals);
  if (done.ok() && !heap_.status().ok()) done = heap_.status();
  if (done.ok()) return std::move(output_);
  return absl::Status(
      done.status().code(),
      absl::StrCat("line ", line_, ": ", std::string(done.status().message())));
}

absl::StatusOr<Evaluator::Flow> Evaluator::Execute(const Body& body,
                                                   Scope* scope) {
  const Depth depth(*this);
  if (!depth.ok()) return depth.status();
  for (const Statement& statement : body) {
    line_ = statement.line;
    if (!heap_.Charge(kStepWork)) return heap_.status();
    SHOAL_ASSIGN_OR_RETURN(const Flow flow, ExecuteOne(statement, scope));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

absl::StatusOr<Evaluator::Flow> Evaluator::ExecuteOne(
    const Statement& statement, Scope* scope) {
  absl::Status status;
  switch (statement.kind) {
    case Statement::Kind::kIf:
      return ExecuteIf(statement, scope);
    case Statement::Kind::kFor:
      return ExecuteFor(statement, scope);
    case Statement::Kind::kWith:
      return ExecuteWith(statement, scope);
    case Statement::Kind::kScope:
      return Execute(statement.body, heap_.MakeScope(scope));
    case Statement::Kind::kBreak:
      return Flow::kBreak;
    case Statement::Kind::kContinue:
      return Flow::kContinue;
    case Statement::Kind::kText:
      status = Print(statement.text);
      break;
    case Statement::Kind::kPrint:
      status = ExecutePrint(statement, scope);
      break;
    case Statement::Kind::kSet:
    case Statement::Kind::kSetBlock:
      status = ExecuteSet(statement, scope);
      break;
    case Statement::Kind::kFilter:
      status = ExecuteFilter(statement, scope);
      break;
    case Statement::Kind::kMacro:
      scope->Set(statement.text,
                 heap_.MakeCallable({.kind = Callable::Kind::kMacro,
                                     .name = statement.text,
                                     .self = {},
                                     .macro = &statement,
                                     .scope = scope}));
      break;
  }
  if (!status.ok()) return status;
  return Flow::kNext;
}

absl::Status Evaluator::Print(absl::string_view text) {
  if (text.size() > kOutputBytesMax - printed_bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kOutputBytesMax,
                     " bytes of output; so many are allowed"));
  }
  printed_bytes_ += text.size();
  output_.append(text.data(), text.size());
  return absl::OkStatus();
}

absl::Status Evaluator::ExecutePrint(const Statement& statement, Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const Value value,
                         Evaluate(*statement.condition, scope));
  if (IsText(value)) return Print(TextOf(value));
  return Print(ToText(heap_, value));
}

absl::StatusOr<Evaluator::Flow> Evaluator::ExecuteIf(const Statement& statement,
                                                     Scope* scope) {
  for (const Statement::Branch& branch : statement.branches) {
    if (branch.condition != nullptr) {
      SHOAL_ASSIGN_OR_RETURN(const Value condition,
                             Evaluate(*branch.condition, scope));
      if (!IsTrue(condition)) continue;
    }
    return Execute(branch.body, scope);
  }
  return Flow::kNext;
}

absl::StatusOr<const List*> Evaluator::LoopItems(const Statement& statement,
                                                 Scope* scope) {
  const Binding& binding = statement.bindings[0];
  SHOAL_ASSIGN_OR_RETURN(const Value iterable, Evaluate(*binding.value, scope));
  line_ = statement.line;
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items, ItemsOf(heap_, iterable));
  if (statement.condition != nullptr) {
    std::vector<Value> kept;
    for (Value& item : items) {
      Scope* inner = heap_.MakeScope(scope);
      SHOAL_RETURN_IF_ERROR(Assign(*binding.target, item, inner));
      SHOAL_ASSIGN_OR_RETURN(const Value keep,
                             Evaluate(*statement.condition, inner));
      if (IsTrue(keep)) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  return std::get<const List*>(heap_.MakeList(std::move(items)));
}

absl::StatusOr<Evaluator::Flow> Evaluator::ExecuteFor(
    const Statement& statement, Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(const List* items, LoopItems(statement, scope));
  if (items->items.empty()) {
    return Execute(statement.otherwise, heap_.MakeScope(scope));
  }
  Loop* loop = heap_.MakeLoop(items);
  for (; loop->index < items->items.size(); ++loop->index) {
    Scope* inner = heap_.MakeScope(scope);
    inner->Set("loop", Value(static_cast<const Loop*>(loop)));
    SHOAL_RETURN_IF_ERROR(Assign(*statement.bindings[0].target,
                                 items->items[loop->index], inner));
    SHOAL_ASSIGN_OR_RETURN(const Flow flow, Execute(statement.body, inner));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

absl::StatusOr<Evaluator::Flow> Evaluator::ExecuteWith(
    const Statement& statement, Scope* scope) {
  // The values see the names outside, not each other.
  Scope* inner = heap_.MakeScope(scope);
  for (const Binding& binding : statement.bindings) {
    SHOAL_ASSIGN_OR_RETURN(Value value, Evaluate(*binding.value, scope));
    SHOAL_RETURN_IF_ERROR(Assign(*binding.target, std::move(value), inner));
  }
  return Execute(statement.body, inner);
}

absl::StatusOr<std::string> Evaluator::Capture(const Body& body, Scope* scope) {
  std::string outside = std::exchange(output_, "");
  SHOAL_RETURN_IF_ERROR(Execute(body, heap_.MakeScope(scope)).status());
  return std::exchange(output_, std::move(outside));
}

absl::StatusOr<Value> Evaluator::EvaluateWithText(const Expression& expression,
                                                  std::string text,
                                                  Scope* scope) {
  block_texts_.push_back(heap_.MakeText(std::move(text)));
  Result result = Evaluate(expression, scope);
  block_texts_.pop_back();
  return result;
}

absl::Status Evaluator::ExecuteSet(const Statement& statement, Scope* scope) {
  const Binding& binding = statement.bindings[0];
  Value value;
  if (statement.kind == Statement::Kind::kSet) {
    SHOAL_ASSIGN_OR_RETURN(value, Evaluate(*binding.value, scope));
  } else {
    SHOAL_ASSIGN_OR_RETURN(std::string text, Capture(statement.body, scope));
    SHOAL_ASSIGN_OR_RETURN(
        value, EvaluateWithText(*binding.value, std::move(text), scope));
  }
  line_ = statement.line;
  return Assign(*binding.target, std::move(value), scope);
}

absl::Status Evaluator::ExecuteFilter(const Statement& statement,
                                      Scope* scope) {
  SHOAL_ASSIGN_OR_RETURN(std::string text, Capture(statement.body, scope));
  SHOAL_ASSIGN_OR_RETURN(
      const Value value,
      EvaluateWithText(*statement.condition, std::move(text), scope));
  return Print(ToText(heap_, value));
}

absl::Status Evaluator::Assign(const Expression& target, Value value,
                               Scope* scope) {
  if (target.kind == Expression::Kind::kName) {
    scope->Set(target.text, std::move(value));
    return absl::OkStatus();
  }
  if (target.kind == Expression::Kind::kTuple) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Value> items,
                           ItemsOf(heap_, value));
    if (items.size() != target.children.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(items.size(), " values for ", target.children.size(),
                       " names; they must be as many"));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      SHOAL_RETURN_IF_ERROR(Assign(*target.children[i], items[i], scope));
    }
    return absl::OkStatus();
  }
  SHOAL_CHECK(target.kind == Expression::Kind::kAttribute);
  const std::string& name = target.children[0]->text;
  const Value* object = scope->Find(name);
  if (object == nullptr || !Is<Namespace*>(*object)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", name, "' is no namespace, so ", name, ".",
                     target.text, " cannot be set"));
  }
  auto& attributes = std::get<Namespace*>(*object)->attributes;
  for (auto& [attribute, old] : attributes) {
    if (attribute != target.text) continue;
    old = std::move(value);
    return absl::OkStatus();
  }
  attributes.emplace_back(target.text, std::move(value));
  return absl::OkStatus();
}

}  // namespace shoal::model::jinja

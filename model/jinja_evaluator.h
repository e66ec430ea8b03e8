// Renders a parsed template.

#ifndef SHOAL_MODEL_JINJA_EVALUATOR_H_
#define SHOAL_MODEL_JINJA_EVALUATOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/jinja_ast.h"
#include "model/jinja_call.h"
#include "model/jinja_value.h"

namespace shoal::model::jinja {

// Behaves as the sandboxed, immutable environment in which chat templates are
// meant to be rendered: lists and mappings cannot be changed, text is not
// escaped, and what is not there prints as nothing but has no attributes.
//
// Limits:  kOutputBytesMax of output; Heap's limits on work; kDepthMax
//          expressions, statements and macro calls inside of each other.
// Threads: thread-compatible; one Render() per object.
class Evaluator {
 public:
  static constexpr uint64_t kOutputBytesMax = uint64_t{1} << 24;
  static constexpr int kDepthMax = 600;

  // `heap` is borrowed. `now` is what strftime_now() tells.
  Evaluator(Heap& heap, absl::Time now) : heap_(heap), now_(now) {}

  // `body` and the values of `globals` must outlive the call; `globals` were
  // made by the same heap.
  // Errors: kInvalidArgument    a fault of the template or of its input, or
  //                             raise_exception() was called
  //         kUnimplemented      a filter, test, method, ... that is not known
  //         kResourceExhausted  a limit
  //         The message begins with "line N: " and names the construct.
  absl::StatusOr<std::string> Render(const Body& body, Scope* globals);

 private:
  enum class Flow : uint8_t { kNext, kBreak, kContinue };
  using Result = absl::StatusOr<Value>;
  class Depth;

  absl::StatusOr<Flow> Execute(const Body& body, Scope* scope);
  absl::StatusOr<Flow> ExecuteOne(const Statement& statement, Scope* scope);
  absl::StatusOr<Flow> ExecuteIf(const Statement& statement, Scope* scope);
  absl::StatusOr<Flow> ExecuteFor(const Statement& statement, Scope* scope);
  // The items that pass the condition of the loop.
  absl::StatusOr<const List*> LoopItems(const Statement& statement,
                                        Scope* scope);
  absl::Status ExecutePrint(const Statement& statement, Scope* scope);
  absl::Status ExecuteSet(const Statement& statement, Scope* scope);
  absl::Status ExecuteFilter(const Statement& statement, Scope* scope);
  absl::StatusOr<Flow> ExecuteWith(const Statement& statement, Scope* scope);
  // What `body` prints, in a scope of its own.
  absl::StatusOr<std::string> Capture(const Body& body, Scope* scope);
  // The value of an expression made from the text of a block.
  Result EvaluateWithText(const Expression& expression, std::string text,
                          Scope* scope);
  absl::Status Assign(const Expression& target, Value value, Scope* scope);
  absl::Status Print(absl::string_view text);

  Result Evaluate(const Expression& expression, Scope* scope);
  Result EvaluateNow(const Expression& expression, Scope* scope);
  Result EvaluateName(const Expression& expression, Scope* scope);
  Result EvaluateItems(const Expression& expression, Scope* scope);
  Result EvaluateDict(const Expression& expression, Scope* scope);
  Result EvaluateSign(const Expression& expression, Scope* scope);
  Result EvaluateLogic(const Expression& expression, Scope* scope);
  Result EvaluateBinary(const Expression& expression, Scope* scope);
  Result EvaluateComparison(const Expression& expression, Scope* scope);
  Result EvaluateConditional(const Expression& expression, Scope* scope);
  Result EvaluateSubscript(const Expression& expression, Scope* scope);
  Result EvaluateSlice(const Expression& expression, Scope* scope);
  Result EvaluateCall(const Expression& expression, Scope* scope);
  Result EvaluateFilter(const Expression& expression, Scope* scope);
  Result EvaluateTest(const Expression& expression, Scope* scope);
  Result CallMacro(const Callable& macro, const Arguments& arguments);
  absl::StatusOr<Arguments> EvaluateArguments(const Expression& call,
                                              Scope* scope);

  Heap& heap_;
  const absl::Time now_;
  std::string output_;
  uint64_t printed_bytes_ = 0;  // into any block
  std::vector<Value> block_texts_;
  int line_ = 1;  // of what is evaluated
  int depth_ = 0;
};

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_EVALUATOR_H_

// What stands behind "is".

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_call.h"
#include "model/jinja_operators.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

using TypeTest = bool (*)(const Value&);

bool IsDefined(const Value& v) { return !Is<Undefined>(v); }
bool IsUndefined(const Value& v) { return Is<Undefined>(v); }
bool IsNone(const Value& v) { return Is<None>(v); }
bool IsMapping(const Value& v) { return Is<const Dict*>(v); }
bool IsInteger(const Value& v) { return Is<int64_t>(v); }
bool IsFloat(const Value& v) { return Is<double>(v); }
bool IsBoolean(const Value& v) { return Is<bool>(v); }
// As in Jinja, where undefined objects have a call that fails.
bool IsCallable(const Value& v) {
  return Is<const Callable*>(v) || Is<Undefined>(v);
}
bool IsNumber(const Value& v) {
  return Is<int64_t>(v) || Is<double>(v) || Is<bool>(v);
}
// Undefined counts as empty, as in loops.
bool IsSequence(const Value& v) {
  return IsText(v) || Is<const List*>(v) || Is<const Dict*>(v) ||
         Is<Undefined>(v);
}
bool IsThatTrue(const Value& v) { return Is<bool>(v) && std::get<bool>(v); }
bool IsThatFalse(const Value& v) { return Is<bool>(v) && !std::get<bool>(v); }
bool IsUpper(const Value& v) {
  return IsText(v) && ToLower(TextOf(v)) != TextOf(v) &&
         ToUpper(TextOf(v)) == TextOf(v);
}
bool IsLower(const Value& v) {
  return IsText(v) && ToUpper(TextOf(v)) != TextOf(v) &&
         ToLower(TextOf(v)) == TextOf(v);
}
bool IsString(const Value& v) { return IsText(v); }
bool IsEscaped(const Value&) { return false; }

TypeTest FindTypeTest(absl::string_view name) {
  struct Entry {
    absl::string_view name;
    TypeTest test;
  };
  static constexpr Entry kEntries[] = {
      {"defined", IsDefined},   {"undefined", IsUndefined},
      {"none", IsNone},         {"mapping", IsMapping},
      {"integer", IsInteger},   {"float", IsFloat},
      {"boolean", IsBoolean},   {"callable", IsCallable},
      {"number", IsNumber},     {"sequence", IsSequence},
      {"iterable", IsSequence}, {"true", IsThatTrue},
      {"false", IsThatFalse},   {"upper", IsUpper},
      {"lower", IsLower},       {"string", IsString},
      {"escaped", IsEscaped}};
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.test;
  }
  return nullptr;
}

// The operator behind the name of a test, or nothing.
absl::string_view OperatorOf(absl::string_view name) {
  struct Entry {
    absl::string_view name;
    absl::string_view op;
  };
  static constexpr Entry kEntries[] = {
      {"eq", "=="}, {"equalto", "=="}, {"ne", "!="},         {"lt", "<"},
      {"le", "<="}, {"lessthan", "<"}, {"gt", ">"},          {"ge", ">="},
      {"in", "in"}, {"==", "=="},      {"greaterthan", ">"}, {"!=", "!="},
      {"<", "<"},   {"<=", "<="},      {">", ">"},           {">=", ">="}};
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.op;
  }
  return "";
}

absl::StatusOr<int64_t> Remainder(Heap& heap, const Value& value,
                                  const Value& divisor) {
  SHOAL_ASSIGN_OR_RETURN(const Value rest, Operate(heap, "%", value, divisor));
  if (const auto* integer = std::get_if<int64_t>(&rest)) return *integer;
  return std::get<double>(rest) == 0 ? 0 : -1;
}

bool IsSame(Heap& heap, const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (IsText(a)) return TextOf(a) == TextOf(b);
  if (Is<const List*>(a)) {
    return std::get<const List*>(a) == std::get<const List*>(b);
  }
  if (Is<const Dict*>(a)) {
    return std::get<const Dict*>(a) == std::get<const Dict*>(b);
  }
  return Equal(heap, a, b);
}

absl::StatusOr<bool> Test(const Call& call) {
  const absl::string_view name = call.name;
  if (const TypeTest test = FindTypeTest(name)) {
    SHOAL_RETURN_IF_ERROR(Bound::Of(call.arguments, {}).status());
    if (IsText(call.input)) call.heap.Charge(TextOf(call.input).size());
    return test(call.input);
  }
  if (name == "odd" || name == "even") {
    SHOAL_ASSIGN_OR_RETURN(const int64_t rest,
                           Remainder(call.heap, call.input, Value(int64_t{2})));
    return (rest == 0) == (name == "even");
  }
  const absl::string_view op = OperatorOf(name);
  if (op.empty() && name != "divisibleby" && name != "sameas") {
    return absl::UnimplementedError("it is not supported");
  }
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"other"}));
  SHOAL_ASSIGN_OR_RETURN(const Value other, bound.Require(0));
  if (name == "sameas") return IsSame(call.heap, call.input, other);
  if (name == "divisibleby") {
    SHOAL_ASSIGN_OR_RETURN(const int64_t rest,
                           Remainder(call.heap, call.input, other));
    return rest == 0;
  }
  return CompareBy(call.heap, op, call.input, other);
}

}  // namespace

absl::StatusOr<bool> ApplyTest(const Call& call) {
  absl::StatusOr<bool> holds = Test(call);
  if (holds.ok()) return holds;
  return absl::Status(holds.status().code(),
                      absl::StrCat("test '", call.name, "': ",
                                   std::string(holds.status().message())));
}

}  // namespace shoal::model::jinja

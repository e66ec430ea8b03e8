// Filters that apply other filters and tests to each item: map, select,
// reject, selectattr, rejectattr; and the paths of attributes.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/jinja_attribute_path.h"
#include "model/jinja_call.h"
#include "model/jinja_operators.h"

namespace shoal::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// The arguments but for the first `count`.
Arguments Rest(const Arguments& arguments, size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(
      rest.positional.begin(),
      rest.positional.begin() + static_cast<ptrdiff_t>(count));
  return rest;
}

Result MapAttribute(const Call& call, std::vector<Value> items) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"attribute", "default"}));
  if (!call.arguments.positional.empty()) {
    return InvalidCall("either the name of a filter or an attribute=");
  }
  for (Value& item : items) {
    SHOAL_ASSIGN_OR_RETURN(item, AttributeAt(call.heap, item, bound[0]));
    if (Is<Undefined>(item)) item = bound.Or(1, item);
  }
  return call.heap.MakeList(std::move(items));
}

Result Map(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  for (const auto& [name, unused] : call.arguments.named) {
    if (name == "attribute") return MapAttribute(call, std::move(items));
  }
  if (call.arguments.positional.empty() ||
      !IsText(call.arguments.positional[0])) {
    return InvalidCall("it needs the name of a filter, or attribute=");
  }
  const std::string& filter = TextOf(call.arguments.positional[0]);
  const Arguments rest = Rest(call.arguments, 1);
  if (filter == "map") {
    return absl::UnimplementedError("map of map is not supported");
  }
  for (Value& item : items) {
    SHOAL_ASSIGN_OR_RETURN(item, ApplyFilter({call.heap, filter, item, rest}));
    if (!call.heap.Charge(sizeof(Value))) return call.heap.status();
  }
  return call.heap.MakeList(std::move(items));
}

// select, reject, and with an attribute before the test selectattr, rejectattr.
Result Select(const Call& call, bool wanted, bool by_attribute) {
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  const std::vector<Value>& arguments = call.arguments.positional;
  const size_t test_at = by_attribute ? 1 : 0;
  if (arguments.size() < test_at) {
    return InvalidCall("it needs the name of an attribute");
  }
  const bool has_test = arguments.size() > test_at;
  if (has_test && !IsText(arguments[test_at])) {
    return InvalidCall("the name of a test must be a string");
  }
  const Arguments rest = Rest(call.arguments, test_at + (has_test ? 1 : 0));
  std::vector<Value> kept;
  for (Value& item : items) {
    Value subject = item;
    if (by_attribute) {
      SHOAL_ASSIGN_OR_RETURN(subject,
                             AttributeAt(call.heap, item, arguments[0]));
    }
    bool holds = IsTrue(subject);
    if (has_test) {
      SHOAL_ASSIGN_OR_RETURN(
          holds,
          ApplyTest({call.heap, TextOf(arguments[test_at]), subject, rest}));
    }
    if (!call.heap.Charge(sizeof(Value))) return call.heap.status();
    if (holds == wanted) kept.push_back(std::move(item));
  }
  return call.heap.MakeList(std::move(kept));
}

}  // namespace

absl::StatusOr<Value> AttributeAt(Heap& heap, const Value& object,
                                  const Value& path) {
  if (Is<int64_t>(path)) return Subscript(heap, object, path);
  if (!IsText(path)) {
    return InvalidCall(absl::StrCat("an attribute named by a ", TypeName(path),
                                    "; it needs a string"));
  }
  Value value = object;
  for (const absl::string_view part : absl::StrSplit(TextOf(path), '.')) {
    if (!heap.Charge(part.size() + 1)) return heap.status();
    int64_t index = 0;
    const Value key = absl::SimpleAtoi(part, &index)
                          ? Value(index)
                          : heap.MakeText(std::string(part));
    SHOAL_ASSIGN_OR_RETURN(value, Subscript(heap, value, key));
  }
  return value;
}

Maybe ApplySelection(const Call& call) {
  if (call.name == "map") return Map(call);
  if (call.name == "select") return Select(call, true, false);
  if (call.name == "reject") return Select(call, false, false);
  if (call.name == "selectattr") return Select(call, true, true);
  if (call.name == "rejectattr") return Select(call, false, true);
  return std::nullopt;
}

}  // namespace shoal::model::jinja

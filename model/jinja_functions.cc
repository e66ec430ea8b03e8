// The functions that every template has.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "model/jinja_call.h"
#include "model/jinja_operators.h"

namespace shoal::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;

constexpr int64_t kRangeItemsMax = 100'000;
constexpr size_t kTimeFormatBytesMax = 256;
constexpr size_t kMessageBytesMax = 500;

constexpr absl::string_view kFunctions[] = {"range", "namespace", "dict",
                                            "raise_exception", "strftime_now"};

absl::StatusOr<int64_t> IntegerAt(const Call& call, size_t index) {
  const Value& value = call.arguments.positional[index];
  if (const auto* integer = std::get_if<int64_t>(&value)) return *integer;
  return InvalidCall(
      absl::StrCat("range() of a ", TypeName(value), "; it needs integers"));
}

Result Range(const Call& call) {
  const size_t count = call.arguments.positional.size();
  if (count < 1 || count > 3 || !call.arguments.named.empty()) {
    return InvalidCall("range() takes one to three integers");
  }
  int64_t begin = 0, end = 0, step = 1;
  SHOAL_ASSIGN_OR_RETURN(end, IntegerAt(call, 0));
  if (count > 1) {
    begin = end;
    SHOAL_ASSIGN_OR_RETURN(end, IntegerAt(call, 1));
  }
  if (count > 2) {
    SHOAL_ASSIGN_OR_RETURN(step, IntegerAt(call, 2));
  }
  if (step == 0) return InvalidCall("range() with a step of 0");
  std::vector<Value> items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(items.size()) == kRangeItemsMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat("range() of more than ", kRangeItemsMax, " numbers"));
    }
    items.push_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return call.heap.MakeList(std::move(items));
}

// namespace() and dict(): a mapping to begin with, and names.
absl::StatusOr<std::vector<std::pair<Value, Value>>> Entries(const Call& call) {
  std::vector<std::pair<Value, Value>> entries;
  if (call.arguments.positional.size() > 1) {
    return InvalidCall(absl::StrCat(call.name, "() takes one mapping"));
  }
  if (!call.arguments.positional.empty()) {
    const auto* dict = std::get_if<const Dict*>(&call.arguments.positional[0]);
    if (dict == nullptr) {
      return InvalidCall(absl::StrCat(call.name, "() of a ",
                                      TypeName(call.arguments.positional[0]),
                                      "; it needs a mapping"));
    }
    entries = (*dict)->entries;
  }
  for (const auto& [name, value] : call.arguments.named) {
    entries.emplace_back(call.heap.MakeText(name), value);
  }
  return entries;
}

Result MakeNamespace(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(auto entries, Entries(call));
  Namespace* space = call.heap.MakeNamespace();
  for (auto& [key, value] : entries) {
    if (!IsText(key))
      return InvalidCall("namespace() with a key that is no name");
    space->attributes.emplace_back(TextOf(key), std::move(value));
  }
  return space;
}

Result Raise(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"message"}));
  SHOAL_ASSIGN_OR_RETURN(const Value message, bound.Require(0));
  std::string text = ToText(call.heap, message).substr(0, kMessageBytesMax);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return InvalidCall(absl::StrCat("the template refuses: ", text));
}

Result FormatNow(const Call& call, absl::Time now) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"format"}));
  SHOAL_ASSIGN_OR_RETURN(const std::string format, bound.Text(0));
  if (format.size() > kTimeFormatBytesMax) {
    return InvalidCall(absl::StrCat("strftime_now() with a format of ",
                                    format.size(), " bytes; allowed are ",
                                    kTimeFormatBytesMax));
  }
  return call.heap.MakeText(
      absl::FormatTime(format, now, absl::LocalTimeZone()));
}

}  // namespace

bool HasFunction(absl::string_view name) {
  return std::find(std::begin(kFunctions), std::end(kFunctions), name) !=
         std::end(kFunctions);
}

absl::StatusOr<Value> CallFunction(const Call& call, absl::Time now) {
  if (call.name == "range") return Range(call);
  if (call.name == "namespace") return MakeNamespace(call);
  if (call.name == "raise_exception") return Raise(call);
  if (call.name == "strftime_now") return FormatNow(call, now);
  SHOAL_ASSIGN_OR_RETURN(auto entries, Entries(call));
  return call.heap.MakeDict(std::move(entries));
}

}  // namespace shoal::model::jinja

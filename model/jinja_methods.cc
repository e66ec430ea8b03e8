// Methods of strings, lists, mappings and loops.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_call.h"
#include "model/jinja_operators.h"
#include "model/jinja_replace.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;

constexpr absl::string_view kTextMethods[] = {
    "strip",      "lstrip",    "rstrip",       "split",        "rsplit",
    "startswith", "endswith",  "upper",        "lower",        "title",
    "capitalize", "replace",   "find",         "rfind",        "index",
    "count",      "join",      "splitlines",   "removeprefix", "removesuffix",
    "isdigit",    "isalpha",   "isspace",      "isupper",      "islower",
    "isalnum",    "isnumeric", "isdecimal",    "format",       "zfill",
    "partition",  "encode",    "rpartition",   "center",       "ljust",
    "rjust",      "swapcase",  "casefold",     "expandtabs",   "translate",
    "rindex",     "istitle",   "isidentifier", "isprintable",  "isascii",
    "format_map", "maketrans"};
constexpr absl::string_view kDictMethods[] = {
    "get",     "items", "keys",   "values",     "copy",    "pop",
    "popitem", "clear", "update", "setdefault", "fromkeys"};
constexpr absl::string_view kListMethods[] = {
    "index",  "count", "append",  "extend", "insert", "pop",
    "remove", "clear", "reverse", "sort",   "copy"};

template <size_t N>
bool IsAmong(const absl::string_view (&names)[N], absl::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

absl::Status Unknown(const Call& call) {
  return absl::UnimplementedError(
      absl::StrCat("the method ", call.name, "() of a ", TypeName(call.input),
                   " is not supported; lists and mappings cannot be changed"));
}

Result Strip(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"chars"}));
  const Side side = call.name == "strip"    ? Side::kBoth
                    : call.name == "lstrip" ? Side::kLeft
                                            : Side::kRight;
  if (!bound.Has(0) || Is<None>(bound[0])) {
    return call.heap.MakeText(std::string(StripSpace(text, side)));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::string set, bound.Text(0));
  if (!call.heap.Charge(text.size() * set.size())) return call.heap.status();
  return call.heap.MakeText(std::string(StripAnyOf(text, set, side)));
}

Result Split(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"sep", "maxsplit"}));
  SHOAL_ASSIGN_OR_RETURN(const int64_t split_max, bound.IntegerOr(1, -1));
  const bool from_right = call.name == "rsplit";
  if (!bound.Has(0) || Is<None>(bound[0])) {
    return SplitText(call.heap, text, nullptr, split_max, from_right);
  }
  SHOAL_ASSIGN_OR_RETURN(const std::string separator, bound.Text(0));
  return SplitText(call.heap, text, &separator, split_max, from_right);
}

Result SplitLines(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"keepends"}));
  const bool keep = bound.IsTrueOr(0, false);
  std::vector<Value> lines;
  for (size_t at = 0; at < text.size() && call.heap.status().ok();) {
    const size_t end =
        std::min(text.find_first_of("\n\r\v\f", at), text.size());
    size_t next = std::min(end + 1, text.size());
    if (end + 1 < text.size() && text[end] == '\r' && text[end + 1] == '\n') {
      ++next;
    }
    lines.push_back(
        call.heap.MakeText(text.substr(at, (keep ? next : end) - at)));
    at = next;
  }
  return call.heap.MakeList(std::move(lines));
}

// startswith and endswith; several candidates come as a tuple.
Result HasAffix(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"affix"}));
  SHOAL_ASSIGN_OR_RETURN(const Value affix, bound.Require(0));
  std::vector<Value> candidates = {affix};
  if (const auto* list = std::get_if<const List*>(&affix)) {
    candidates = (*list)->items;
  }
  for (const Value& candidate : candidates) {
    if (!IsText(candidate)) {
      return InvalidCall(absl::StrCat(
          call.name, "() of a ", TypeName(candidate), "; it needs a string"));
    }
    if (call.name == "startswith" ? absl::StartsWith(text, TextOf(candidate))
                                  : absl::EndsWith(text, TextOf(candidate))) {
      return Value(true);
    }
  }
  return Value(false);
}

Result RemoveAffix(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"affix"}));
  SHOAL_ASSIGN_OR_RETURN(const std::string affix, bound.Text(0));
  const bool front = call.name == "removeprefix";
  if (!(front ? absl::StartsWith(text, affix) : absl::EndsWith(text, affix))) {
    return call.input;
  }
  return call.heap.MakeText(front ? text.substr(affix.size())
                                  : text.substr(0, text.size() - affix.size()));
}

Result Replace(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"old", "new", "count"}));
  SHOAL_ASSIGN_OR_RETURN(const std::string from, bound.Text(0));
  SHOAL_ASSIGN_OR_RETURN(const std::string to, bound.Text(1));
  SHOAL_ASSIGN_OR_RETURN(const int64_t count, bound.IntegerOr(2, -1));
  return ReplaceText(call.heap, text, from, to, count);
}

Result Find(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(call.arguments, {"sub"}));
  SHOAL_ASSIGN_OR_RETURN(const std::string needle, bound.Text(0));
  size_t found = FindText(call.heap, text, needle);
  if (call.name == "rfind" && found != absl::string_view::npos) {
    found = text.rfind(needle);
  }
  if (found != absl::string_view::npos) {
    return static_cast<int64_t>(
        CountCharacters(absl::string_view(text).substr(0, found)));
  }
  if (call.name != "index") return int64_t{-1};
  return InvalidCall(absl::StrCat("index(): ", QuotedText(needle.substr(0, 40)),
                                  " is not in the string"));
}

Result CountOf(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound, Bound::Of(call.arguments, {"sub"}));
  SHOAL_ASSIGN_OR_RETURN(const std::string needle, bound.Text(0));
  if (needle.empty()) return static_cast<int64_t>(CountCharacters(text)) + 1;
  int64_t count = 0;
  size_t at = FindText(call.heap, text, needle);
  while (at != absl::string_view::npos) {
    ++count;
    at = FindText(call.heap, text, needle, at + needle.size());
  }
  return count;
}

Result JoinText(const Call& call, const std::string& separator) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"items"}));
  SHOAL_ASSIGN_OR_RETURN(const Value list, bound.Require(0));
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Value> items,
                         ItemsOf(call.heap, list));
  TextBuilder out(call.heap);
  for (size_t i = 0; i < items.size(); ++i) {
    if (!IsText(items[i])) {
      return InvalidCall(absl::StrCat("join() of a ", TypeName(items[i]),
                                      "; it needs "
                                      "strings"));
    }
    if (i > 0) out.Append(separator);
    out.Append(TextOf(items[i]));
  }
  return out.TakeValue();
}

// isdigit and its kin: every character of a text that is not empty.
Result IsAll(const Call& call, const std::string& text) {
  const absl::string_view name = call.name;
  if (name == "isupper")
    return Value(text != ToLower(text) && text == ToUpper(text));
  if (name == "islower")
    return Value(text != ToUpper(text) && text == ToLower(text));
  const auto holds = [&](absl::string_view c) {
    const bool digit = c.size() == 1 && c[0] >= '0' && c[0] <= '9';
    const bool letter =
        c.size() > 1 ? !IsSpace(c)
                     : absl::ascii_isalpha(static_cast<unsigned char>(c[0]));
    if (name == "isspace") return IsSpace(c);
    if (name == "isalpha") return letter;
    return name == "isalnum" ? digit || letter : digit;
  };
  const auto characters = Characters(text);
  return Value(!characters.empty() &&
               std::all_of(characters.begin(), characters.end(), holds));
}

Result CallTextMethod(const Call& call) {
  const std::string& text = TextOf(call.input);
  const absl::string_view name = call.name;
  if (!call.heap.Charge(text.size())) return call.heap.status();
  if (absl::EndsWith(name, "strip")) return Strip(call, text);
  if (name == "split" || name == "rsplit") return Split(call, text);
  if (name == "splitlines") return SplitLines(call, text);
  if (absl::EndsWith(name, "swith")) return HasAffix(call, text);
  if (absl::StartsWith(name, "remove")) return RemoveAffix(call, text);
  if (name == "replace") return Replace(call, text);
  if (name == "find" || name == "rfind" || name == "index") {
    return Find(call, text);
  }
  if (name == "count") return CountOf(call, text);
  if (name == "join") return JoinText(call, text);
  for (const absl::string_view filter :
       {"upper", "lower", "title", "capitalize"}) {
    if (name == filter) return ApplyFilter(call);
  }
  for (const absl::string_view kind :
       {"isdigit", "isnumeric", "isdecimal", "isalpha", "isalnum", "isspace",
        "isupper", "islower"}) {
    if (name != kind) continue;
    SHOAL_RETURN_IF_ERROR(Bound::Of(call.arguments, {}).status());
    return IsAll(call, text);
  }
  return Unknown(call);
}

Result CallDictMethod(const Call& call, const Dict& dict) {
  if (!call.heap.Charge(dict.entries.size())) return call.heap.status();
  if (call.name == "get") {
    SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                           Bound::Of(call.arguments, {"key", "default"}));
    SHOAL_ASSIGN_OR_RETURN(const Value key, bound.Require(0));
    const Value* value = dict.Find(key);
    return value != nullptr ? *value : bound.Or(1, None());
  }
  if (call.name == "copy") return call.input;
  if (call.name != "items" && call.name != "keys" && call.name != "values") {
    return Unknown(call);
  }
  SHOAL_RETURN_IF_ERROR(Bound::Of(call.arguments, {}).status());
  if (call.name == "items") return ApplyFilter(call);
  std::vector<Value> values;
  for (const auto& [key, value] : dict.entries) {
    values.push_back(call.name == "keys" ? key : value);
  }
  return call.heap.MakeList(std::move(values));
}

Result CallListMethod(const Call& call, const List& list) {
  if (call.name == "copy") return call.input;
  if (call.name != "index" && call.name != "count") return Unknown(call);
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"value"}));
  SHOAL_ASSIGN_OR_RETURN(const Value wanted, bound.Require(0));
  int64_t count = 0;
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (!Equal(call.heap, list.items[i], wanted)) continue;
    if (call.name == "index") return static_cast<int64_t>(i);
    ++count;
  }
  if (call.name == "count") return count;
  return InvalidCall("index(): the value is not in the list");
}

Result Cycle(const Call& call, const Loop& loop) {
  const std::vector<Value>& values = call.arguments.positional;
  if (values.empty()) return InvalidCall("loop.cycle() needs values");
  return values[loop.index % values.size()];
}

}  // namespace

bool HasMethod(const Value& object, absl::string_view name) {
  if (IsText(object)) return IsAmong(kTextMethods, name);
  if (Is<const Dict*>(object)) return IsAmong(kDictMethods, name);
  if (Is<const List*>(object)) {
    const bool both = name == "index" || name == "count";
    return std::get<const List*>(object)->tuple ? both
                                                : IsAmong(kListMethods, name);
  }
  return false;
}

absl::StatusOr<Value> CallMethod(const Call& call) {
  if (IsText(call.input)) return CallTextMethod(call);
  if (const auto* dict = std::get_if<const Dict*>(&call.input)) {
    return CallDictMethod(call, **dict);
  }
  if (const auto* list = std::get_if<const List*>(&call.input)) {
    return CallListMethod(call, **list);
  }
  if (const auto* loop = std::get_if<const Loop*>(&call.input)) {
    return Cycle(call, **loop);
  }
  return Unknown(call);
}

}  // namespace shoal::model::jinja

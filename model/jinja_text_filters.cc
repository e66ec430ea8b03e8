// Filters of text and of numbers.

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/jinja_call.h"
#include "model/jinja_replace.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// Each word with a large first letter and small others; a word begins behind
// white space, a hyphen or an opening bracket.
std::string TitleOf(absl::string_view text) {
  std::string out;
  bool at_begin = true;
  for (const absl::string_view c : Characters(text)) {
    out += at_begin ? ToUpper(c) : ToLower(c);
    at_begin = IsSpace(c) || absl::StrContains("-([{<", c);
  }
  return out;
}

Result Trim(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"chars"}));
  if (!bound.Has(0) || Is<None>(bound[0])) {
    return call.heap.MakeText(std::string(StripSpace(text, Side::kBoth)));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::string set, bound.Text(0));
  call.heap.Charge(text.size() * set.size());
  if (!call.heap.status().ok()) return call.heap.status();
  return call.heap.MakeText(std::string(StripAnyOf(text, set, Side::kBoth)));
}

Result Replace(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"old", "new", "count"}));
  SHOAL_ASSIGN_OR_RETURN(const Value from, bound.Require(0));
  SHOAL_ASSIGN_OR_RETURN(const Value to, bound.Require(1));
  SHOAL_ASSIGN_OR_RETURN(const int64_t count, bound.IntegerOr(2, -1));
  return ReplaceText(call.heap, text, ToText(call.heap, from),
                     ToText(call.heap, to), count);
}

Result Indent(const Call& call, const std::string& text) {
  SHOAL_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(call.arguments, {"width", "first", "blank"}));
  std::string indent;
  if (bound.Has(0) && IsText(bound[0])) {
    indent = TextOf(bound[0]);
  } else {
    SHOAL_ASSIGN_OR_RETURN(const int64_t width, bound.IntegerOr(0, 4));
    if (width > 0 && !call.heap.Charge(static_cast<uint64_t>(width))) {
      return call.heap.status();
    }
    indent.assign(width > 0 ? static_cast<size_t>(width) : 0, ' ');
  }
  const bool blank = bound.IsTrueOr(2, false);
  TextBuilder out(call.heap);
  bool first = true;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!first) out.Append("\n");
    if (first ? bound.IsTrueOr(1, false) : blank || !line.empty()) {
      out.Append(indent);
    }
    out.Append(line);
    first = false;
  }
  return out.TakeValue();
}

Result Escape(Heap& heap, const std::string& text) {
  heap.Charge(6 * text.size());
  if (!heap.status().ok()) return heap.status();
  return heap.MakeText(absl::StrReplaceAll(text, {{"&", "&amp;"},
                                                  {"<", "&lt;"},
                                                  {">", "&gt;"},
                                                  {"'", "&#39;"},
                                                  {"\"", "&#34;"}}));
}

int64_t WordCount(absl::string_view text) {
  int64_t count = 0;
  bool in_word = false;
  for (const char c : text) {
    const bool word = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                      c == '_' || static_cast<unsigned char>(c) >= 0x80;
    if (word && !in_word) ++count;
    in_word = word;
  }
  return count;
}

absl::StatusOr<int64_t> IntegerOf(double number) {
  if (std::isfinite(number) && std::abs(number) < 0x1p63) {
    return static_cast<int64_t>(number);
  }
  return InvalidCall("a number of more than 64 bits");
}

Result Int(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"default", "base"}));
  SHOAL_ASSIGN_OR_RETURN(const int64_t base, bound.IntegerOr(1, 10));
  if (base != 10) {
    return absl::UnimplementedError(
        absl::StrCat("base ", base, " is not supported, only 10"));
  }
  if (const auto* b = std::get_if<bool>(&call.input)) {
    return int64_t{*b ? 1 : 0};
  }
  if (Is<int64_t>(call.input)) return call.input;
  if (const auto* d = std::get_if<double>(&call.input)) return IntegerOf(*d);
  if (IsText(call.input)) {
    int64_t integer = 0;
    double number = 0;
    if (absl::SimpleAtoi(TextOf(call.input), &integer)) return integer;
    if (absl::SimpleAtod(TextOf(call.input), &number) &&
        std::isfinite(number)) {
      return IntegerOf(number);
    }
  }
  return bound.Or(0, int64_t{0});
}

Result Float(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"default"}));
  if (const auto* b = std::get_if<bool>(&call.input)) return *b ? 1.0 : 0.0;
  if (const auto* i = std::get_if<int64_t>(&call.input)) {
    return static_cast<double>(*i);
  }
  if (Is<double>(call.input)) return call.input;
  double number = 0;
  if (IsText(call.input) && absl::SimpleAtod(TextOf(call.input), &number)) {
    return number;
  }
  return bound.Or(0, 0.0);
}

Result Round(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"precision", "method"}));
  SHOAL_ASSIGN_OR_RETURN(const int64_t precision, bound.IntegerOr(0, 0));
  SHOAL_ASSIGN_OR_RETURN(const std::string method, bound.TextOr(1, "common"));
  double number = 0;
  if (const auto* i = std::get_if<int64_t>(&call.input)) {
    number = static_cast<double>(*i);
  } else if (const auto* d = std::get_if<double>(&call.input)) {
    number = *d;
  } else {
    return InvalidCall(
        absl::StrCat("a ", TypeName(call.input), "; it needs a number"));
  }
  if (precision < -15 || precision > 15) return number;
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return std::ceil(number * scale) / scale;
  if (method == "floor") return std::floor(number * scale) / scale;
  if (method != "common") {
    return InvalidCall("method is common, ceil or floor");
  }
  if (Is<int64_t>(call.input) && precision >= 0) return call.input;
  // Halves go to the even neighbour.
  return std::nearbyint(number * scale) / scale;
}

Result Abs(const Call& call) {
  if (const auto* i = std::get_if<int64_t>(&call.input)) {
    if (*i == INT64_MIN) return InvalidCall("a number of more than 64 bits");
    return *i < 0 ? -*i : *i;
  }
  if (const auto* d = std::get_if<double>(&call.input)) return std::abs(*d);
  return InvalidCall(
      absl::StrCat("a ", TypeName(call.input), "; it needs a number"));
}

}  // namespace

Maybe ApplyTextFilter(const Call& call) {
  static constexpr absl::string_view kNames[] = {
      "trim", "upper",  "lower",  "title", "capitalize",  "replace",  "string",
      "safe", "indent", "escape", "e",     "forceescape", "wordcount"};
  const absl::string_view name = call.name;
  if (std::find(std::begin(kNames), std::end(kNames), name) ==
      std::end(kNames)) {
    return std::nullopt;
  }
  Heap& heap = call.heap;
  const std::string text = ToText(heap, call.input);
  if (!heap.Charge(text.size())) return heap.status();
  if (name == "trim") return Trim(call, text);
  if (name == "replace") return Replace(call, text);
  if (name == "indent") return Indent(call, text);
  if (!call.arguments.positional.empty() || !call.arguments.named.empty()) {
    return InvalidCall("it takes no arguments");
  }
  if (name == "upper") return heap.MakeText(ToUpper(text));
  if (name == "lower") return heap.MakeText(ToLower(text));
  if (name == "title") return heap.MakeText(TitleOf(text));
  if (name == "wordcount") return WordCount(text);
  if (name == "string" || name == "safe") return heap.MakeText(text);
  if (name != "capitalize") return Escape(heap, text);
  const size_t first = text.empty() ? 0 : CharacterBytes(text, 0);
  return heap.MakeText(
      absl::StrCat(ToUpper(absl::string_view(text).substr(0, first)),
                   ToLower(absl::string_view(text).substr(first))));
}

Maybe ApplyNumberFilter(const Call& call) {
  if (call.name == "int") return Int(call);
  if (call.name == "float") return Float(call);
  if (call.name == "round") return Round(call);
  if (call.name == "abs") return Abs(call);
  return std::nullopt;
}

}  // namespace shoal::model::jinja

// The filter tojson, as chat templates expect it: characters beyond ASCII stay,
// nothing is escaped for HTML, and ", " and ": " separate.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_call.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

constexpr int64_t kIndentMax = 64;

struct JsonStyle {
  int64_t indent = -1;  // -1: all in one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

class JsonWriter {
 public:
  JsonWriter(Heap& heap, const JsonStyle& style)
      : heap_(heap), style_(style), out_(heap) {}

  absl::Status Write(const Value& value) {
    if (!heap_.Charge(1)) return heap_.status();
    if (IsText(value)) {
      out_.Append(JsonText(TextOf(value)));
    } else if (const auto* list = std::get_if<const List*>(&value)) {
      return WriteList(**list);
    } else if (const auto* dict = std::get_if<const Dict*>(&value)) {
      return WriteDict(**dict);
    } else {
      SHOAL_ASSIGN_OR_RETURN(const std::string text, Scalar(value));
      out_.Append(text);
    }
    return absl::OkStatus();
  }

  Value Take() { return out_.TakeValue(); }

 private:
  static absl::StatusOr<std::string> Scalar(const Value& value) {
    if (Is<None>(value)) return std::string("null");
    if (const auto* b = std::get_if<bool>(&value)) {
      return *b ? std::string("true") : std::string("false");
    }
    if (const auto* i = std::get_if<int64_t>(&value)) return absl::StrCat(*i);
    if (const auto* d = std::get_if<double>(&value)) {
      const std::string text = FloatText(*d);
      if (text == "inf") return std::string("Infinity");
      if (text == "-inf") return std::string("-Infinity");
      if (text == "nan") return std::string("NaN");
      return text;
    }
    return InvalidCall(
        absl::StrCat("a value that is ", TypeName(value), " is no JSON"));
  }

  void NewLine() {
    if (style_.indent < 0) return;
    out_.Append("\n");
    out_.Append(std::string(static_cast<size_t>(style_.indent) * level_, ' '));
  }

  absl::Status WriteList(const List& list) {
    if (list.items.empty()) {
      out_.Append("[]");
      return absl::OkStatus();
    }
    out_.Append("[");
    ++level_;
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.Append(style_.item_separator);
      NewLine();
      SHOAL_RETURN_IF_ERROR(Write(list.items[i]));
    }
    --level_;
    NewLine();
    out_.Append("]");
    return absl::OkStatus();
  }

  absl::Status WriteDict(const Dict& dict) {
    if (dict.entries.empty()) {
      out_.Append("{}");
      return absl::OkStatus();
    }
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) SHOAL_RETURN_IF_ERROR(SortEntries(entries));
    out_.Append("{");
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_.Append(style_.item_separator);
      NewLine();
      SHOAL_RETURN_IF_ERROR(WriteKey(entries[i]->first));
      out_.Append(style_.key_separator);
      SHOAL_RETURN_IF_ERROR(Write(entries[i]->second));
    }
    --level_;
    NewLine();
    out_.Append("}");
    return absl::OkStatus();
  }

  absl::Status SortEntries(
      std::vector<const std::pair<Value, Value>*>& entries) {
    absl::Status status;
    std::stable_sort(entries.begin(), entries.end(),
                     [&](const auto* a, const auto* b) {
                       const auto order = Compare(heap_, a->first, b->first);
                       if (!order.ok()) status = order.status();
                       return order.ok() && *order < 0;
                     });
    return status;
  }

  absl::Status WriteKey(const Value& key) {
    if (IsText(key)) {
      out_.Append(JsonText(TextOf(key)));
      return absl::OkStatus();
    }
    SHOAL_ASSIGN_OR_RETURN(const std::string text, Scalar(key));
    out_.Append(absl::StrCat("\"", text, "\""));
    return absl::OkStatus();
  }

  Heap& heap_;
  const JsonStyle& style_;
  TextBuilder out_;
  size_t level_ = 0;
};

absl::StatusOr<JsonStyle> StyleOf(const Bound& bound) {
  JsonStyle style;
  if (bound.IsTrueOr(0, false)) {
    return absl::UnimplementedError("ensure_ascii=true is not supported");
  }
  SHOAL_ASSIGN_OR_RETURN(style.indent, bound.IntegerOr(1, -1));
  if (style.indent > kIndentMax) {
    return InvalidCall(absl::StrCat("indent is ", style.indent, "; at most ",
                                    kIndentMax, " is allowed"));
  }
  if (style.indent >= 0) style.item_separator.pop_back();
  if (bound.Has(2) && !Is<None>(bound[2])) {
    const auto* list = std::get_if<const List*>(&bound[2]);
    if (list == nullptr || (*list)->items.size() != 2 ||
        !IsText((*list)->items[0]) || !IsText((*list)->items[1])) {
      return InvalidCall("separators must be two strings");
    }
    style.item_separator = TextOf((*list)->items[0]);
    style.key_separator = TextOf((*list)->items[1]);
  }
  style.sort_keys = bound.IsTrueOr(3, false);
  return style;
}

absl::StatusOr<Value> ToJson(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(call.arguments,
                {"ensure_ascii", "indent", "separators", "sort_keys"}));
  SHOAL_ASSIGN_OR_RETURN(const JsonStyle style, StyleOf(bound));
  JsonWriter writer(call.heap, style);
  SHOAL_RETURN_IF_ERROR(writer.Write(call.input));
  return writer.Take();
}

}  // namespace

Maybe ApplyJsonFilter(const Call& call) {
  if (call.name == "tojson") return ToJson(call);
  return std::nullopt;
}

}  // namespace shoal::model::jinja

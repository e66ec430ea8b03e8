// Filters of lists and mappings, and default().

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_attribute_path.h"
#include "model/jinja_call.h"
#include "model/jinja_operators.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;

Result Default(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(call.arguments, {"default_value", "boolean"}));
  const bool missing = Is<Undefined>(call.input) ||
                       (bound.IsTrueOr(1, false) && !IsTrue(call.input));
  if (!missing) return call.input;
  return bound.Has(0) ? bound[0] : call.heap.MakeText("");
}

Result Length(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const int64_t length, LengthOf(call.heap, call.input));
  return length;
}

Result FirstOrLast(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  if (items.empty()) return Undefined();
  return call.name == "first" ? items.front() : items.back();
}

Result ListOf(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  return call.heap.MakeList(std::move(items));
}

Result Join(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"d", "attribute"}));
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  const std::string separator = bound.Has(0) ? ToText(call.heap, bound[0]) : "";
  TextBuilder out(call.heap);
  for (size_t i = 0; i < items.size(); ++i) {
    if (bound.Has(1)) {
      SHOAL_ASSIGN_OR_RETURN(items[i],
                             AttributeAt(call.heap, items[i], bound[1]));
    }
    if (i > 0) out.Append(separator);
    if (IsText(items[i])) {
      out.Append(TextOf(items[i]));
    } else if (!Is<Undefined>(items[i])) {
      AppendRepresentation(items[i], out);
    }
  }
  return out.TakeValue();
}

Result Reverse(const Call& call) {
  if (IsText(call.input)) {
    return Slice(call.heap, call.input, {{}, {}, int64_t{-1}});
  }
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  std::reverse(items.begin(), items.end());
  return call.heap.MakeList(std::move(items));
}

// What an item is ordered by: its attribute if there is one, in small letters
// unless case counts.
Result SortKey(Heap& heap, const Value& item, const Value& attribute,
               bool case_sensitive) {
  Value key = item;
  if (!Is<None>(attribute)) {
    SHOAL_ASSIGN_OR_RETURN(key, AttributeAt(heap, item, attribute));
  }
  if (IsText(key) && !case_sensitive) {
    return heap.MakeText(ToLower(TextOf(key)));
  }
  return key;
}

struct Keyed {
  Value key;
  Value item;
};

absl::StatusOr<std::vector<Keyed>> WithKeys(Heap& heap,
                                            std::vector<Value> items,
                                            const Value& attribute,
                                            bool case_sensitive) {
  std::vector<Keyed> keyed;
  keyed.reserve(items.size());
  for (Value& item : items) {
    SHOAL_ASSIGN_OR_RETURN(Value key,
                           SortKey(heap, item, attribute, case_sensitive));
    keyed.push_back({std::move(key), std::move(item)});
  }
  return keyed;
}

// Stable, also in reverse. Sorts numbers, not the values: they are cheaper to
// move. After a comparison that failed all others are equal.
absl::Status SortKeyed(Heap& heap, std::vector<Keyed>& keyed, bool reverse) {
  std::vector<size_t> order(keyed.size());
  std::iota(order.begin(), order.end(), size_t{0});
  absl::Status status;
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) {
    if (!status.ok() || !heap.Charge(1)) return false;
    const Value& a = keyed[reverse ? j : i].key;
    const Value& b = keyed[reverse ? i : j].key;
    const auto compared = Compare(heap, a, b);
    if (!compared.ok()) status = compared.status();
    return compared.ok() && *compared < 0;
  });
  std::vector<Keyed> sorted;
  sorted.reserve(keyed.size());
  for (const size_t i : order) sorted.push_back(std::move(keyed[i]));
  keyed = std::move(sorted);
  return status;
}

Result Sort(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(call.arguments, {"reverse", "case_sensitive", "attribute"}));
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  SHOAL_ASSIGN_OR_RETURN(
      std::vector<Keyed> keyed,
      WithKeys(call.heap, std::move(items), bound.Or(2, None()),
               bound.IsTrueOr(1, false)));
  SHOAL_RETURN_IF_ERROR(SortKeyed(call.heap, keyed, bound.IsTrueOr(0, false)));
  std::vector<Value> sorted;
  for (Keyed& entry : keyed) sorted.push_back(std::move(entry.item));
  return call.heap.MakeList(std::move(sorted));
}

Result Extreme(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(call.arguments, {"case_sensitive", "attribute"}));
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  if (items.empty()) return Undefined();
  SHOAL_ASSIGN_OR_RETURN(
      std::vector<Keyed> keyed,
      WithKeys(call.heap, std::move(items), bound.Or(1, None()),
               bound.IsTrueOr(0, false)));
  SHOAL_RETURN_IF_ERROR(SortKeyed(call.heap, keyed, call.name == "max"));
  return keyed.front().item;
}

Result Unique(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(call.arguments, {"case_sensitive", "attribute"}));
  SHOAL_ASSIGN_OR_RETURN(std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  SHOAL_ASSIGN_OR_RETURN(
      std::vector<Keyed> keyed,
      WithKeys(call.heap, std::move(items), bound.Or(1, None()),
               bound.IsTrueOr(0, false)));
  std::vector<Value> seen, kept;
  for (Keyed& entry : keyed) {
    const bool known = std::any_of(
        seen.begin(), seen.end(),
        [&](const Value& key) { return Equal(call.heap, key, entry.key); });
    if (!call.heap.status().ok()) return call.heap.status();
    if (known) continue;
    seen.push_back(std::move(entry.key));
    kept.push_back(std::move(entry.item));
  }
  return call.heap.MakeList(std::move(kept));
}

Result Sum(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"attribute", "start"}));
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  Value sum = bound.Or(1, int64_t{0});
  for (const Value& item : items) {
    Value value = item;
    if (bound.Has(0) && !Is<None>(bound[0])) {
      SHOAL_ASSIGN_OR_RETURN(value, AttributeAt(call.heap, item, bound[0]));
    }
    SHOAL_ASSIGN_OR_RETURN(sum, Operate(call.heap, "+", sum, value));
  }
  return sum;
}

Result Items(const Call& call) {
  if (Is<Undefined>(call.input)) return call.heap.MakeList({});
  if (!Is<const Dict*>(call.input)) {
    return InvalidCall(
        absl::StrCat("a ", TypeName(call.input), "; only mappings have items"));
  }
  std::vector<Value> items;
  for (const auto& [key, value] : std::get<const Dict*>(call.input)->entries) {
    items.push_back(call.heap.MakeList({key, value}, /*tuple=*/true));
  }
  return call.heap.MakeList(std::move(items));
}

Result DictSort(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Of(call.arguments, {"case_sensitive", "by", "reverse"}));
  SHOAL_ASSIGN_OR_RETURN(const std::string by, bound.TextOr(1, "key"));
  SHOAL_ASSIGN_OR_RETURN(const Value pairs, Items(call));
  std::vector<Value> items = std::get<const List*>(pairs)->items;
  SHOAL_ASSIGN_OR_RETURN(std::vector<Keyed> keyed,
                         WithKeys(call.heap, std::move(items),
                                  Value(int64_t{by == "value" ? 1 : 0}),
                                  bound.IsTrueOr(0, false)));
  SHOAL_RETURN_IF_ERROR(SortKeyed(call.heap, keyed, bound.IsTrueOr(2, false)));
  std::vector<Value> sorted;
  for (Keyed& entry : keyed) sorted.push_back(std::move(entry.item));
  return call.heap.MakeList(std::move(sorted));
}

Result Batch(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"linecount", "fill_with"}));
  SHOAL_ASSIGN_OR_RETURN(const int64_t size, bound.IntegerOr(0, 0));
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Value> items,
                         ItemsOf(call.heap, call.input));
  if (size < 1) return InvalidCall("linecount must be 1 or more");
  std::vector<Value> batches, batch;
  for (const Value& item : items) {
    if (static_cast<int64_t>(batch.size()) == size) {
      batches.push_back(call.heap.MakeList(std::exchange(batch, {})));
    }
    batch.push_back(item);
  }
  if (bound.Has(1) && !batch.empty()) {
    while (static_cast<int64_t>(batch.size()) < size &&
           call.heap.Charge(sizeof(Value))) {
      batch.push_back(bound[1]);
    }
  }
  if (!batch.empty()) batches.push_back(call.heap.MakeList(std::move(batch)));
  return call.heap.MakeList(std::move(batches));
}

Result AttributeOf(const Call& call) {
  SHOAL_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::Of(call.arguments, {"name"}));
  SHOAL_ASSIGN_OR_RETURN(const Value name, bound.Require(0));
  // Attributes only: the entries of a mapping are none.
  if (Is<const Dict*>(call.input)) return Undefined();
  return AttributeAt(call.heap, call.input, name);
}

}  // namespace

Maybe ApplySequenceFilter(const Call& call) {
  struct Entry {
    absl::string_view name;
    Result (*apply)(const Call&);
  };
  static constexpr Entry kEntries[] = {
      {"default", Default},   {"d", Default},         {"length", Length},
      {"count", Length},      {"first", FirstOrLast}, {"last", FirstOrLast},
      {"list", ListOf},       {"join", Join},         {"reverse", Reverse},
      {"sort", Sort},         {"unique", Unique},     {"sum", Sum},
      {"min", Extreme},       {"max", Extreme},       {"items", Items},
      {"dictsort", DictSort}, {"batch", Batch},       {"attr", AttributeOf}};
  for (const Entry& entry : kEntries) {
    if (call.name == entry.name) return entry.apply(call);
  }
  return std::nullopt;
}

}  // namespace shoal::model::jinja

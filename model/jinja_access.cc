// Attributes, subscripts, slices and items: the reading half of
// jinja_operators.h.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_call.h"
#include "model/jinja_operators.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

Value LoopAttribute(Heap& heap, const Loop& loop, const std::string& name) {
  const std::vector<Value>& items = loop.items->items;
  const auto index = static_cast<int64_t>(loop.index);
  const auto size = static_cast<int64_t>(items.size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return size - index;
  if (name == "revindex0") return size - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == size;
  if (name == "length") return size;
  // They count {% for ... recursive %}, which there is not.
  if (name == "depth") return int64_t{1};
  if (name == "depth0") return int64_t{0};
  if (name == "previtem" && index > 0) return items[loop.index - 1];
  if (name == "nextitem" && index + 1 < size) return items[loop.index + 1];
  if (name == "cycle") {
    return heap.MakeCallable(
        {.kind = Callable::Kind::kMethod, .name = name, .self = Value(&loop)});
  }
  return Undefined{&name};
}

Value ItemAt(const std::vector<Value>& items, int64_t index) {
  const auto size = static_cast<int64_t>(items.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) return Undefined();
  return items[static_cast<size_t>(index)];
}

Value CharacterAt(Heap& heap, const std::string& text, int64_t index) {
  heap.Charge(text.size());
  if (index < 0) index += static_cast<int64_t>(CountCharacters(text));
  if (index < 0) return Undefined();
  for (size_t at = 0; at < text.size(); --index) {
    const size_t bytes = CharacterBytes(text, at);
    if (index == 0) return heap.MakeText(text.substr(at, bytes));
    at += bytes;
  }
  return Undefined();
}

// The indices that a slice of `size` items takes, as Python defines them.
std::vector<size_t> SliceIndices(const SliceBounds& bounds, int64_t size) {
  const int64_t step = bounds.step.value_or(1);
  const int64_t low = step > 0 ? 0 : -1;
  const int64_t high = step > 0 ? size : size - 1;
  const auto place = [&](std::optional<int64_t> bound, int64_t fallback) {
    if (!bound.has_value()) return fallback;
    return std::clamp(*bound < 0 ? *bound + size : *bound, low, high);
  };
  const int64_t begin = place(bounds.begin, step > 0 ? low : high);
  const int64_t end = place(bounds.end, step > 0 ? high : low);
  std::vector<size_t> indices;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    indices.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return indices;
}

}  // namespace

absl::StatusOr<Value> Attribute(Heap& heap, const Value& object,
                                const std::string& name) {
  if (Is<Undefined>(object)) {
    return absl::InvalidArgumentError(
        absl::StrCat(UndefinedText(object), ", so it has no '", name, "'"));
  }
  if (const auto* loop = std::get_if<const Loop*>(&object)) {
    return LoopAttribute(heap, **loop, name);
  }
  if (const auto* space = std::get_if<Namespace*>(&object)) {
    for (const auto& [attribute, value] : (*space)->attributes) {
      if (attribute == name) return value;
    }
    return Undefined{&name};
  }
  if (HasMethod(object, name)) {
    return heap.MakeCallable(
        {.kind = Callable::Kind::kMethod, .name = name, .self = object});
  }
  if (const auto* dict = std::get_if<const Dict*>(&object)) {
    heap.Charge((*dict)->entries.size());
    if (const Value* value = (*dict)->Find(name)) return *value;
  }
  return Undefined{&name};
}

absl::StatusOr<Value> Subscript(Heap& heap, const Value& object,
                                const Value& index) {
  if (Is<Undefined>(object)) {
    return absl::InvalidArgumentError(
        absl::StrCat(UndefinedText(object), ", so it has no element"));
  }
  if (const auto* dict = std::get_if<const Dict*>(&object)) {
    heap.Charge((*dict)->entries.size());
    if (const Value* value = (*dict)->Find(index)) return *value;
  }
  const auto* integer = std::get_if<int64_t>(&index);
  if (const auto* list = std::get_if<const List*>(&object);
      list != nullptr && integer != nullptr) {
    return ItemAt((*list)->items, *integer);
  }
  if (IsText(object) && integer != nullptr) {
    return CharacterAt(heap, TextOf(object), *integer);
  }
  if (IsText(index)) {
    const std::string& name = TextOf(index);
    if (HasMethod(object, name)) {
      return heap.MakeCallable(
          {.kind = Callable::Kind::kMethod, .name = name, .self = object});
    }
    if (Is<Namespace*>(object) || Is<const Loop*>(object)) {
      SHOAL_ASSIGN_OR_RETURN(Value value, Attribute(heap, object, name));
      if (!Is<Undefined>(value)) return value;
    }
  }
  return Undefined();
}

absl::StatusOr<Value> Slice(Heap& heap, const Value& object,
                            const SliceBounds& bounds) {
  if (bounds.step == 0) return InvalidCall("the step of a slice is 0");
  if (IsText(object)) {
    const std::string& text = TextOf(object);
    heap.Charge(text.size() * sizeof(absl::string_view));
    if (!heap.status().ok()) return heap.status();
    const auto characters = Characters(text);
    std::string out;
    for (const size_t i :
         SliceIndices(bounds, static_cast<int64_t>(characters.size()))) {
      absl::StrAppend(&out, characters[i]);
    }
    return heap.MakeText(std::move(out));
  }
  if (const auto* list = std::get_if<const List*>(&object)) {
    std::vector<Value> items;
    for (const size_t i :
         SliceIndices(bounds, static_cast<int64_t>((*list)->items.size()))) {
      items.push_back((*list)->items[i]);
    }
    return heap.MakeList(std::move(items), (*list)->tuple);
  }
  if (Is<Undefined>(object)) {
    return InvalidCall(absl::StrCat(UndefinedText(object), "; a slice of it"));
  }
  return InvalidCall(absl::StrCat("a slice of a ", TypeName(object),
                                  "; only strings and lists have them"));
}

absl::StatusOr<std::vector<Value>> ItemsOf(Heap& heap, const Value& value) {
  std::vector<Value> items;
  if (const auto* list = std::get_if<const List*>(&value)) {
    if (heap.Charge((*list)->items.size() * sizeof(Value))) {
      items = (*list)->items;
    }
  } else if (const auto* dict = std::get_if<const Dict*>(&value)) {
    heap.Charge((*dict)->entries.size() * sizeof(Value));
    for (const auto& [key, unused] : (*dict)->entries) items.push_back(key);
  } else if (IsText(value)) {
    for (size_t at = 0; at < TextOf(value).size() && heap.status().ok();) {
      const size_t bytes = CharacterBytes(TextOf(value), at);
      items.push_back(heap.MakeText(TextOf(value).substr(at, bytes)));
      at += bytes;
    }
  } else if (!Is<Undefined>(value)) {
    return InvalidCall(
        absl::StrCat("a ", TypeName(value), " has no items to go through"));
  }
  if (!heap.status().ok()) return heap.status();
  return items;
}

absl::StatusOr<int64_t> LengthOf(Heap& heap, const Value& value) {
  if (IsText(value)) {
    heap.Charge(TextOf(value).size());
    return static_cast<int64_t>(CountCharacters(TextOf(value)));
  }
  if (const auto* list = std::get_if<const List*>(&value)) {
    return static_cast<int64_t>((*list)->items.size());
  }
  if (const auto* dict = std::get_if<const Dict*>(&value)) {
    return static_cast<int64_t>((*dict)->entries.size());
  }
  if (Is<Undefined>(value)) return 0;
  return InvalidCall(absl::StrCat("a ", TypeName(value), " has no length"));
}

}  // namespace shoal::model::jinja

#include "model/jinja_value.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/jinja_text.h"

namespace shoal::model::jinja {
namespace {

constexpr uint64_t kNodeWork = 64;  // of a container, whatever it holds

// The number behind an int, float or bool; false for other kinds.
bool NumberOf(const Value& value, double& number) {
  if (const auto* b = std::get_if<bool>(&value)) {
    number = *b ? 1 : 0;
  } else if (const auto* i = std::get_if<int64_t>(&value)) {
    number = static_cast<double>(*i);
  } else if (const auto* d = std::get_if<double>(&value)) {
    number = *d;
  } else {
    return false;
  }
  return true;
}

bool EqualLists(Heap& heap, const List& a, const List& b) {
  return a.tuple == b.tuple &&
         std::equal(
             a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
             [&](const Value& x, const Value& y) { return Equal(heap, x, y); });
}

bool EqualDicts(Heap& heap, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    if (!heap.Charge(b.entries.size())) return false;
    const Value* other = b.Find(key);
    if (other == nullptr || !Equal(heap, value, *other)) return false;
  }
  return true;
}

// Keys are no containers, so this needs no heap.
bool EqualKeys(const Value& a, const Value& b) {
  if (IsText(a) && IsText(b)) return TextOf(a) == TextOf(b);
  double x = 0, y = 0;
  if (NumberOf(a, x) && NumberOf(b, y)) return x == y;
  return Is<None>(a) && Is<None>(b);
}

}  // namespace

const Value* Dict::Find(const Value& key) const {
  for (const auto& [name, value] : entries) {
    if (EqualKeys(name, key)) return &value;
  }
  return nullptr;
}

const Value* Dict::Find(absl::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (IsText(name) && TextOf(name) == key) return &value;
  }
  return nullptr;
}

const Value* Scope::Find(absl::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent) {
    for (const auto& [variable, value] : scope->variables) {
      if (variable == name) return &value;
    }
  }
  return nullptr;
}

void Scope::Set(absl::string_view name, Value value) {
  for (auto& [variable, old] : variables) {
    if (variable == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(std::string(name), std::move(value));
}

bool Heap::Charge(uint64_t work) {
  if (work > kWorkMax - work_) {
    work_ = kWorkMax;
    if (status_.ok()) {
      status_ = absl::ResourceExhaustedError(
          absl::StrCat("the template needs more than the ", kWorkMax,
                       " units of work that one rendering may take"));
    }
  } else {
    work_ += work;
  }
  return status_.ok();
}

void Heap::CheckDepth(uint32_t depth) {
  if (depth <= kContainerDepthMax || !status_.ok()) return;
  status_ = absl::ResourceExhaustedError(
      absl::StrCat("lists inside of lists more than ", kContainerDepthMax,
                   " deep; so many are allowed"));
}

uint32_t Heap::DepthOf(const Value& value) const {
  if (const auto* list = std::get_if<const List*>(&value)) {
    return (*list)->depth;
  }
  if (const auto* dict = std::get_if<const Dict*>(&value)) {
    return (*dict)->depth;
  }
  return 0;
}

Value Heap::MakeText(std::string text) {
  Charge(text.size() + kNodeWork);
  return std::make_shared<const std::string>(std::move(text));
}

Value Heap::MakeList(std::vector<Value> items, bool tuple) {
  Charge(items.size() * sizeof(Value) + kNodeWork);
  List& list = lists_.emplace_back();
  for (const Value& item : items) {
    list.depth = std::max(list.depth, DepthOf(item) + 1);
  }
  list.items = std::move(items);
  list.tuple = tuple;
  CheckDepth(list.depth);
  return &list;
}

Value Heap::MakeDict(std::vector<std::pair<Value, Value>> entries) {
  Charge(entries.size() * (2 * sizeof(Value) + entries.size()) + kNodeWork);
  Dict& dict = dicts_.emplace_back();
  if (entries.size() > kDictEntriesMax && status_.ok()) {
    status_ = absl::ResourceExhaustedError(
        absl::StrCat("a mapping of ", entries.size(), " entries; allowed are ",
                     kDictEntriesMax));
  }
  if (!status_.ok()) return &dict;
  for (auto& [key, value] : entries) {
    dict.depth = std::max(dict.depth, DepthOf(value) + 1);
    auto old = std::find_if(
        dict.entries.begin(), dict.entries.end(),
        [&key = key](const auto& e) { return EqualKeys(e.first, key); });
    if (old != dict.entries.end()) {
      old->second = std::move(value);
    } else {
      dict.entries.emplace_back(std::move(key), std::move(value));
    }
  }
  CheckDepth(dict.depth);
  return &dict;
}

Namespace* Heap::MakeNamespace() {
  Charge(kNodeWork);
  return &namespaces_.emplace_back();
}

Loop* Heap::MakeLoop(const List* items) {
  Charge(kNodeWork);
  Loop& loop = loops_.emplace_back();
  loop.items = items;
  return &loop;
}

Value Heap::MakeCallable(Callable callable) {
  Charge(kNodeWork + callable.name.size());
  return &callables_.emplace_back(std::move(callable));
}

Scope* Heap::MakeScope(Scope* parent) {
  Charge(kNodeWork);
  Scope& scope = scopes_.emplace_back();
  scope.parent = parent;
  return &scope;
}

absl::string_view TypeName(const Value& value) {
  struct Visitor {
    absl::string_view operator()(Undefined) const { return "undefined"; }
    absl::string_view operator()(None) const { return "none"; }
    absl::string_view operator()(bool) const { return "boolean"; }
    absl::string_view operator()(int64_t) const { return "integer"; }
    absl::string_view operator()(double) const { return "float"; }
    absl::string_view operator()(const Text&) const { return "string"; }
    absl::string_view operator()(const List* list) const {
      return list->tuple ? "tuple" : "list";
    }
    absl::string_view operator()(const Dict*) const { return "mapping"; }
    absl::string_view operator()(Namespace*) const { return "namespace"; }
    absl::string_view operator()(const Loop*) const { return "loop"; }
    absl::string_view operator()(const Callable*) const { return "function"; }
  };
  return std::visit(Visitor(), value);
}

bool IsTrue(const Value& value) {
  struct Visitor {
    bool operator()(Undefined) const { return false; }
    bool operator()(None) const { return false; }
    bool operator()(bool b) const { return b; }
    bool operator()(int64_t i) const { return i != 0; }
    bool operator()(double d) const { return d != 0; }
    bool operator()(const Text& text) const { return !text->empty(); }
    bool operator()(const List* list) const { return !list->items.empty(); }
    bool operator()(const Dict* dict) const { return !dict->entries.empty(); }
    bool operator()(Namespace*) const { return true; }
    bool operator()(const Loop*) const { return true; }
    bool operator()(const Callable*) const { return true; }
  };
  return std::visit(Visitor(), value);
}

bool Equal(Heap& heap, const Value& a, const Value& b) {
  if (!heap.Charge(1)) return false;
  if (Is<int64_t>(a) && Is<int64_t>(b)) {
    return std::get<int64_t>(a) == std::get<int64_t>(b);
  }
  double x = 0, y = 0;
  if (NumberOf(a, x)) return NumberOf(b, y) && x == y;
  if (a.index() != b.index()) return false;
  if (IsText(a)) {
    return TextOf(a).size() == TextOf(b).size() &&
           heap.Charge(TextOf(a).size()) && TextOf(a) == TextOf(b);
  }
  if (const auto* list = std::get_if<const List*>(&a)) {
    return EqualLists(heap, **list, *std::get<const List*>(b));
  }
  if (const auto* dict = std::get_if<const Dict*>(&a)) {
    return EqualDicts(heap, **dict, *std::get<const Dict*>(b));
  }
  if (const auto* space = std::get_if<Namespace*>(&a)) {
    return *space == std::get<Namespace*>(b);
  }
  if (const auto* loop = std::get_if<const Loop*>(&a)) {
    return *loop == std::get<const Loop*>(b);
  }
  if (const auto* callable = std::get_if<const Callable*>(&a)) {
    return *callable == std::get<const Callable*>(b);
  }
  return true;  // none and none, undefined and undefined
}

absl::StatusOr<int> Compare(Heap& heap, const Value& a, const Value& b) {
  double x = 0, y = 0;
  if (Is<int64_t>(a) && Is<int64_t>(b)) {
    const auto i = std::get<int64_t>(a), j = std::get<int64_t>(b);
    return i < j ? -1 : i > j ? 1 : 0;
  }
  if (NumberOf(a, x) && NumberOf(b, y)) return x < y ? -1 : x > y ? 1 : 0;
  if (IsText(a) && IsText(b)) {
    heap.Charge(std::min(TextOf(a).size(), TextOf(b).size()));
    return TextOf(a).compare(TextOf(b));
  }
  const auto* list = std::get_if<const List*>(&a);
  const auto* other = std::get_if<const List*>(&b);
  if (list != nullptr && other != nullptr) {
    const auto& p = (*list)->items;
    const auto& q = (*other)->items;
    for (size_t i = 0; i < std::min(p.size(), q.size()); ++i) {
      if (!Equal(heap, p[i], q[i])) return Compare(heap, p[i], q[i]);
    }
    return p.size() < q.size() ? -1 : p.size() > q.size() ? 1 : 0;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "a ", TypeName(a), " and a ", TypeName(b), " have no order"));
}

std::string ToText(Heap& heap, const Value& value) {
  if (IsText(value)) return TextOf(value);
  if (Is<Undefined>(value)) return "";
  TextBuilder out(heap);
  AppendRepresentation(value, out);
  return out.Take();
}

namespace {

void AppendList(const List& list, TextBuilder& out) {
  out.Append(list.tuple ? "(" : "[");
  absl::string_view separator = "";
  for (const Value& item : list.items) {
    out.Append(separator);
    AppendRepresentation(item, out);
    separator = ", ";
  }
  if (list.tuple && list.items.size() == 1) out.Append(",");
  out.Append(list.tuple ? ")" : "]");
}

void AppendDict(const Dict& dict, TextBuilder& out) {
  out.Append("{");
  absl::string_view separator = "";
  for (const auto& [key, value] : dict.entries) {
    out.Append(separator);
    AppendRepresentation(key, out);
    out.Append(": ");
    AppendRepresentation(value, out);
    separator = ", ";
  }
  out.Append("}");
}

}  // namespace

void AppendRepresentation(const Value& value, TextBuilder& out) {
  struct Visitor {
    TextBuilder& out;
    void operator()(Undefined) const { out.Append("Undefined"); }
    void operator()(None) const { out.Append("None"); }
    void operator()(bool b) const { out.Append(b ? "True" : "False"); }
    void operator()(int64_t i) const { out.Append(absl::StrCat(i)); }
    void operator()(double d) const { out.Append(FloatText(d)); }
    void operator()(const Text& text) const { out.Append(QuotedText(*text)); }
    void operator()(const List* list) const { AppendList(*list, out); }
    void operator()(const Dict* dict) const { AppendDict(*dict, out); }
    void operator()(Namespace*) const { out.Append("<Namespace>"); }
    void operator()(const Loop* loop) const {
      out.Append(absl::StrCat("<LoopContext ", loop->index + 1, "/",
                              loop->items->items.size(), ">"));
    }
    void operator()(const Callable* callable) const {
      out.Append(absl::StrCat("<", callable->name, ">"));
    }
  };
  std::visit(Visitor{out}, value);
}

}  // namespace shoal::model::jinja

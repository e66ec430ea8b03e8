// Values of the template language, and the heap that owns and bounds them.

#ifndef SHOAL_MODEL_JINJA_VALUE_H_
#define SHOAL_MODEL_JINJA_VALUE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::model::jinja {

struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Callable;
struct Scope;
struct Statement;

// What a name or a key that is not there gives. `name` is for messages; it
// points into the parsed template and may be null.
struct Undefined {
  const std::string* name = nullptr;
};
struct None {};
using Text = std::shared_ptr<const std::string>;

// Containers belong to a Heap and never change after they are made, but for a
// Namespace; so they form no cycle that anything follows.
using Value =
    std::variant<Undefined, None, bool, int64_t, double, Text, const List*,
                 const Dict*, Namespace*, const Loop*, const Callable*>;

struct List {
  std::vector<Value> items;
  bool tuple = false;  // differs in how it prints
  uint32_t depth = 1;  // of containers inside of each other
};

// In order of insertion, as Python's.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  uint32_t depth = 1;

  const Value* Find(const Value& key) const;  // null if missing
  const Value* Find(absl::string_view key) const;
};

// namespace(...): the one thing that `set` changes from within a loop.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
};

// The variable `loop`.
struct Loop {
  const List* items = nullptr;
  size_t index = 0;
};

// A macro, a function, or a method of `self`.
struct Callable {
  enum class Kind : uint8_t { kMacro, kFunction, kMethod };
  Kind kind = Kind::kFunction;
  std::string name;
  Value self;
  const Statement* macro = nullptr;
  Scope* scope = nullptr;  // where the macro was defined
};

// Names in force at a place of the template, inside of those of `parent`.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string, Value>> variables;

  const Value* Find(absl::string_view name) const;  // null if nowhere
  void Set(absl::string_view name, Value value);
};

// Owns all containers of one rendering and counts all work, because templates
// are foreign: one unit of work is about a byte made or looked at.
//
// Limits:  kWorkMax units; kContainerDepthMax containers inside of each other;
//          kDictEntriesMax entries. Going over one of them is noted, and the
//          evaluator fails at its next step.
// Memory:  no more bytes than units of work.
// Threads: thread-compatible.
class Heap {
 public:
  static constexpr uint64_t kWorkMax = uint64_t{1} << 28;
  static constexpr uint32_t kContainerDepthMax = 100;
  static constexpr size_t kDictEntriesMax = 4096;

  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // False if that was too much.
  bool Charge(uint64_t work);
  // Errors: kResourceExhausted  a limit was passed
  const absl::Status& status() const { return status_; }

  Value MakeText(std::string text);
  Value MakeList(std::vector<Value> items, bool tuple = false);
  // Later entries of one key replace earlier ones.
  Value MakeDict(std::vector<std::pair<Value, Value>> entries);
  Namespace* MakeNamespace();
  Loop* MakeLoop(const List* items);
  Value MakeCallable(Callable callable);
  Scope* MakeScope(Scope* parent);

 private:
  uint32_t DepthOf(const Value& value) const;
  void CheckDepth(uint32_t depth);

  uint64_t work_ = 0;
  absl::Status status_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Namespace> namespaces_;
  std::deque<Loop> loops_;
  std::deque<Callable> callables_;
  std::deque<Scope> scopes_;
};

// A text that grows within the limits of a heap: appending beyond them does
// nothing but note it there.
class TextBuilder {
 public:
  explicit TextBuilder(Heap& heap) : heap_(heap) {}
  void Append(absl::string_view text) {
    if (heap_.Charge(text.size())) text_.append(text.data(), text.size());
  }
  std::string Take() { return std::move(text_); }
  Value TakeValue() { return heap_.MakeText(std::move(text_)); }

 private:
  Heap& heap_;
  std::string text_;
};

template <typename T>
bool Is(const Value& value) {
  return std::holds_alternative<T>(value);
}
inline bool IsText(const Value& value) { return Is<Text>(value); }
// REQUIRES: IsText(value).
inline const std::string& TextOf(const Value& value) {
  return *std::get<Text>(value);
}

// "string", "int", "list", "none", "undefined", ...
absl::string_view TypeName(const Value& value);

bool IsTrue(const Value& value);
// 1 and 1.0 and true are equal; containers are compared element by element.
bool Equal(Heap& heap, const Value& a, const Value& b);
// Negative, 0 or positive. Errors: kInvalidArgument  no order between these
absl::StatusOr<int> Compare(Heap& heap, const Value& a, const Value& b);

// As printing shows it: text as it is, nothing for undefined.
std::string ToText(Heap& heap, const Value& value);
// As it looks inside of a printed list: text with quotes.
void AppendRepresentation(const Value& value, TextBuilder& out);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_VALUE_H_

// What operators, attributes, subscripts and loops do with values.

#ifndef SHOAL_MODEL_JINJA_OPERATORS_H_
#define SHOAL_MODEL_JINJA_OPERATORS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/jinja_value.h"

namespace shoal::model::jinja {

// Errors, of all:
//   kInvalidArgument    operands of these types have no such operation;
//                       undefined operands; a number beyond 64 bits
//   kUnimplemented      formatting with %
//   kResourceExhausted  the result would be too large

// `op`: + - * / // % ** ~
absl::StatusOr<Value> Operate(Heap& heap, absl::string_view op,
                              const Value& left, const Value& right);
// `op`: == != < <= > >= in "not in"
absl::StatusOr<bool> CompareBy(Heap& heap, absl::string_view op,
                               const Value& left, const Value& right);
absl::StatusOr<Value> Negate(const Value& value);

// object.name: a method or an attribute, else the entry of that key; undefined
// if there is none. `name` must outlive the result.
absl::StatusOr<Value> Attribute(Heap& heap, const Value& object,
                                const std::string& name);
// object[index], likewise.
absl::StatusOr<Value> Subscript(Heap& heap, const Value& object,
                                const Value& index);
// object[begin:end:step] of strings and lists.
struct SliceBounds {
  std::optional<int64_t> begin, end, step;
};
absl::StatusOr<Value> Slice(Heap& heap, const Value& object,
                            const SliceBounds& bounds);

// The items that a loop over `value` sees: of a list, the keys of a mapping,
// the characters of a string, none of undefined.
absl::StatusOr<std::vector<Value>> ItemsOf(Heap& heap, const Value& value);
absl::StatusOr<int64_t> LengthOf(Heap& heap, const Value& value);
absl::StatusOr<bool> Contains(Heap& heap, const Value& container,
                              const Value& item);

// Where `needle` begins in `text`, from byte `from` on; npos if nowhere, and
// if the heap's limit is reached.
size_t FindText(Heap& heap, absl::string_view text, absl::string_view needle,
                size_t from = 0);

// "'messages' is undefined", or "an undefined value" where it has no name.
std::string UndefinedText(const Value& value);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_OPERATORS_H_

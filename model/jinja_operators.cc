#include "model/jinja_operators.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/jinja_call.h"

namespace shoal::model::jinja {
namespace {

bool IsNumber(const Value& value) {
  return Is<int64_t>(value) || Is<double>(value) || Is<bool>(value);
}
bool IsInteger(const Value& value) {
  return Is<int64_t>(value) || Is<bool>(value);
}
int64_t IntegerOf(const Value& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? 1 : 0;
  return std::get<int64_t>(value);
}
double DoubleOf(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return static_cast<double>(IntegerOf(value));
}

absl::Status TooLarge() {
  return absl::InvalidArgumentError("a number of more than 64 bits");
}
absl::Status ByZero() { return absl::InvalidArgumentError("division by zero"); }

absl::StatusOr<Value> PowerOfIntegers(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return ByZero();
    return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  }
  int64_t result = 1;
  // Beyond that, only -1, 0 and 1 stay within 64 bits.
  if (exponent > 64 && (base > 1 || base < -1)) return TooLarge();
  const int64_t times = exponent > 64 ? 64 + exponent % 2 : exponent;
  for (int64_t i = 0; i < times; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) return TooLarge();
  }
  return result;
}

absl::StatusOr<Value> OperateIntegers(absl::string_view op, int64_t a,
                                      int64_t b) {
  int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) return TooLarge();
    return result;
  }
  if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) return TooLarge();
    return result;
  }
  if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) return TooLarge();
    return result;
  }
  if (op == "**") return PowerOfIntegers(a, b);
  if (b == 0) return ByZero();
  if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
  if (b == -1) {  // the one quotient that may overflow
    if (op == "%") return int64_t{0};
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) return TooLarge();
    return result;
  }
  // Python rounds down, so that the remainder has the sign of b.
  const bool down = a % b != 0 && (a < 0) != (b < 0);
  if (op == "//") return a / b - (down ? 1 : 0);
  return a % b + (down ? b : 0);
}

absl::StatusOr<Value> OperateFloats(absl::string_view op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return std::pow(a, b);
  if (b == 0) return ByZero();
  if (op == "/") return a / b;
  if (op == "//") return std::floor(a / b);
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

absl::StatusOr<Value> Repeat(Heap& heap, const Value& value, int64_t times) {
  const uint64_t count = times < 0 ? 0 : static_cast<uint64_t>(times);
  const bool text = IsText(value);
  const uint64_t bytes =
      text ? TextOf(value).size()
           : std::get<const List*>(value)->items.size() * sizeof(Value);
  if (bytes > 0 && count > Heap::kWorkMax / bytes) {
    heap.Charge(Heap::kWorkMax + 1);
    return heap.status();
  }
  if (!heap.Charge(bytes * count)) return heap.status();
  if (text) {
    std::string out;
    out.reserve(bytes * count);
    for (uint64_t i = 0; bytes > 0 && i < count; ++i) out += TextOf(value);
    return heap.MakeText(std::move(out));
  }
  const List& list = *std::get<const List*>(value);
  std::vector<Value> items;
  for (uint64_t i = 0; bytes > 0 && i < count; ++i) {
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return heap.MakeList(std::move(items), list.tuple);
}

absl::StatusOr<Value> Join(Heap& heap, const List& a, const List& b) {
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return heap.MakeList(std::move(items), a.tuple);
}

}  // namespace

std::string UndefinedText(const Value& value) {
  const std::string* name = std::get<Undefined>(value).name;
  return name == nullptr ? "a value that is undefined"
                         : absl::StrCat("'", *name, "' is undefined");
}

absl::StatusOr<Value> Operate(Heap& heap, absl::string_view op,
                              const Value& left, const Value& right) {
  if (op == "~") {
    TextBuilder out(heap);
    for (const Value* side : {&left, &right}) {
      if (IsText(*side)) {
        out.Append(TextOf(*side));
      } else if (!Is<Undefined>(*side)) {
        AppendRepresentation(*side, out);
      }
    }
    return out.TakeValue();
  }
  for (const Value* side : {&left, &right}) {
    if (Is<Undefined>(*side)) {
      return absl::InvalidArgumentError(
          absl::StrCat(UndefinedText(*side), "; operator ", op));
    }
  }
  if (IsInteger(left) && IsInteger(right)) {
    return OperateIntegers(op, IntegerOf(left), IntegerOf(right));
  }
  if (IsNumber(left) && IsNumber(right)) {
    return OperateFloats(op, DoubleOf(left), DoubleOf(right));
  }
  const auto* a = std::get_if<const List*>(&left);
  const auto* b = std::get_if<const List*>(&right);
  if (op == "+") {
    if (IsText(left) && IsText(right)) {
      return heap.MakeText(absl::StrCat(TextOf(left), TextOf(right)));
    }
    if (a != nullptr && b != nullptr && (*a)->tuple == (*b)->tuple) {
      return Join(heap, **a, **b);
    }
  }
  if (op == "*" && (IsText(left) || a != nullptr) && IsInteger(right)) {
    return Repeat(heap, left, IntegerOf(right));
  }
  if (op == "*" && (IsText(right) || b != nullptr) && IsInteger(left)) {
    return Repeat(heap, right, IntegerOf(left));
  }
  if (op == "%" && IsText(left)) {
    return absl::UnimplementedError(
        "formatting a string with the operator % is not supported");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("operator ", op, " does not work on a ", TypeName(left),
                   " and a ", TypeName(right)));
}

absl::StatusOr<Value> Negate(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return -*number;
  if (!IsInteger(value)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a sign before a ", TypeName(value), "; it needs a number"));
  }
  int64_t result = 0;
  if (__builtin_sub_overflow(int64_t{0}, IntegerOf(value), &result)) {
    return TooLarge();
  }
  return result;
}

absl::StatusOr<bool> CompareBy(Heap& heap, absl::string_view op,
                               const Value& left, const Value& right) {
  if (op == "==") return Equal(heap, left, right);
  if (op == "!=") return !Equal(heap, left, right);
  if (op == "in") return Contains(heap, right, left);
  if (op == "not in") {
    SHOAL_ASSIGN_OR_RETURN(const bool contains, Contains(heap, right, left));
    return !contains;
  }
  SHOAL_ASSIGN_OR_RETURN(const int order, Compare(heap, left, right));
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

size_t FindText(Heap& heap, absl::string_view text, absl::string_view needle,
                size_t from) {
  if (from > text.size()) return absl::string_view::npos;
  // A search may compare the whole needle at every place.
  constexpr size_t kNeedleBytesFree = 64;
  const uint64_t work =
      (text.size() - from) * (1 + needle.size() / kNeedleBytesFree);
  if (!heap.Charge(needle.size() > kNeedleBytesFree ? work : 1)) {
    return absl::string_view::npos;
  }
  const size_t found = text.find(needle, from);
  const size_t end = found == absl::string_view::npos ? text.size() : found;
  heap.Charge(end - from);
  return found;
}

absl::StatusOr<bool> Contains(Heap& heap, const Value& container,
                              const Value& item) {
  if (IsText(container)) {
    if (!IsText(item)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a ", TypeName(item), " is looked for in a string; only a string ",
          "can be in it"));
    }
    return FindText(heap, TextOf(container), TextOf(item)) !=
           absl::string_view::npos;
  }
  if (const auto* list = std::get_if<const List*>(&container)) {
    for (const Value& other : (*list)->items) {
      if (Equal(heap, other, item)) return true;
    }
    return false;
  }
  if (const auto* dict = std::get_if<const Dict*>(&container)) {
    heap.Charge((*dict)->entries.size());
    return (*dict)->Find(item) != nullptr;
  }
  if (Is<Undefined>(container)) return false;
  return absl::InvalidArgumentError(
      absl::StrCat("nothing can be in a ", TypeName(container)));
}

}  // namespace shoal::model::jinja

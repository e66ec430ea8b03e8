#include "model/jinja_call.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::model::jinja {

absl::Status InvalidCall(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

absl::StatusOr<Bound> Bound::Of(
    const Arguments& arguments,
    std::initializer_list<absl::string_view> names) {
  Bound bound;
  for (const absl::string_view name : names) {
    bound.names_.push_back(std::string(name));
  }
  bound.values_.resize(names.size());
  if (arguments.positional.size() > names.size()) {
    return InvalidCall(absl::StrCat(arguments.positional.size(),
                                    " arguments; at most ", names.size(),
                                    " are allowed"));
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(),
            bound.values_.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto found =
        std::find(bound.names_.begin(), bound.names_.end(), name);
    if (found == bound.names_.end()) {
      return InvalidCall(absl::StrCat("unknown argument '", name, "'"));
    }
    auto& place =
        bound.values_[static_cast<size_t>(found - bound.names_.begin())];
    if (place.has_value()) {
      return InvalidCall(absl::StrCat("argument '", name, "' given twice"));
    }
    place = value;
  }
  return bound;
}

absl::StatusOr<Value> Bound::Require(size_t index) const {
  if (Has(index)) return *values_[index];
  return InvalidCall(absl::StrCat("argument '", names_[index], "' is missing"));
}

absl::StatusOr<std::string> Bound::Text(size_t index) const {
  SHOAL_ASSIGN_OR_RETURN(const Value value, Require(index));
  if (IsText(value)) return TextOf(value);
  return InvalidCall(absl::StrCat("argument '", names_[index], "' is a ",
                                  TypeName(value), ", not a string"));
}

absl::StatusOr<std::string> Bound::TextOr(size_t index,
                                          absl::string_view fallback) const {
  return Has(index) ? Text(index) : std::string(fallback);
}

absl::StatusOr<int64_t> Bound::IntegerOr(size_t index, int64_t fallback) const {
  if (!Has(index) || Is<None>(*values_[index])) return fallback;
  const Value& value = *values_[index];
  if (const auto* integer = std::get_if<int64_t>(&value)) return *integer;
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? 1 : 0;
  return InvalidCall(absl::StrCat("argument '", names_[index], "' is a ",
                                  TypeName(value), ", not an integer"));
}

bool Bound::IsTrueOr(size_t index, bool fallback) const {
  return Has(index) ? IsTrue(*values_[index]) : fallback;
}

absl::StatusOr<Value> ApplyFilter(const Call& call) {
  for (const auto apply :
       {ApplyTextFilter, ApplyNumberFilter, ApplySequenceFilter, ApplySelection,
        ApplyJsonFilter}) {
    if (Maybe result = apply(call)) {
      if (result->ok()) return *std::move(result);
      return absl::Status(
          result->status().code(),
          absl::StrCat("filter '", call.name,
                       "': ", std::string(result->status().message())));
    }
  }
  return absl::UnimplementedError(
      absl::StrCat("the filter '", call.name, "' is not supported"));
}

}  // namespace shoal::model::jinja

// Calls of what the language has built in: functions, filters, tests, methods.

#ifndef SHOAL_MODEL_JINJA_CALL_H_
#define SHOAL_MODEL_JINJA_CALL_H_

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/jinja_value.h"

namespace shoal::model::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Call {
  Heap& heap;
  absl::string_view name;
  const Value& input;  // of a filter or test; the object of a method
  const Arguments& arguments;
};

// The arguments by parameter; nothing where one was not given.
class Bound {
 public:
  // Errors: kInvalidArgument  too many, twice, or an unknown name
  static absl::StatusOr<Bound> Of(
      const Arguments& arguments,
      std::initializer_list<absl::string_view> names);

  bool Has(size_t index) const { return values_[index].has_value(); }
  // REQUIRES: Has(index).
  const Value& operator[](size_t index) const { return *values_[index]; }
  Value Or(size_t index, Value fallback) const {
    return Has(index) ? *values_[index] : std::move(fallback);
  }
  // Errors: kInvalidArgument  missing, or of another type
  absl::StatusOr<Value> Require(size_t index) const;
  absl::StatusOr<std::string> Text(size_t index) const;
  absl::StatusOr<std::string> TextOr(size_t index,
                                     absl::string_view fallback) const;
  absl::StatusOr<int64_t> IntegerOr(size_t index, int64_t fallback) const;
  bool IsTrueOr(size_t index, bool fallback) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::optional<Value>> values_;
};

// Errors, of all below:
//   kUnimplemented      no such filter, test, method or function; the message
//                       names it
//   kInvalidArgument    wrong arguments or input; also raise_exception()
//   kResourceExhausted  a limit
absl::StatusOr<Value> ApplyFilter(const Call& call);
absl::StatusOr<bool> ApplyTest(const Call& call);

// True for the names that are methods of such an object in Python, even if
// calling them is an error here.
bool HasMethod(const Value& object, absl::string_view name);
absl::StatusOr<Value> CallMethod(const Call& call);

// The names of the functions: range, namespace, dict, raise_exception,
// strftime_now.
bool HasFunction(absl::string_view name);
// `now` is for strftime_now(), in local time.
absl::StatusOr<Value> CallFunction(const Call& call, absl::Time now);

// Parts of ApplyFilter() and CallMethod(); nothing if the name is not theirs.
using Maybe = std::optional<absl::StatusOr<Value>>;
Maybe ApplyTextFilter(const Call& call);
Maybe ApplyNumberFilter(const Call& call);
Maybe ApplySequenceFilter(const Call& call);
Maybe ApplySelection(const Call& call);  // map, select, reject and the like
Maybe ApplyJsonFilter(const Call& call);

absl::Status InvalidCall(absl::string_view what);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_CALL_H_

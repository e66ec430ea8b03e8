// Replacing and splitting of text, for filters and methods alike.

#ifndef SHOAL_MODEL_JINJA_REPLACE_H_
#define SHOAL_MODEL_JINJA_REPLACE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/jinja_value.h"

namespace shoal::model::jinja {

// The first `count` (negative: all) occurrences of `from` become `to`. An empty
// `from` stands before each character and at the end.
// Errors: kResourceExhausted  the result would be too large
absl::StatusOr<Value> ReplaceText(Heap& heap, absl::string_view text,
                                  absl::string_view from, absl::string_view to,
                                  int64_t count);

// The pieces between `separator`, at most `split_max` (negative: any number of)
// cuts, from the right if `from_right`. Without a separator: the words between
// white space.
// Errors: kInvalidArgument  an empty separator
absl::StatusOr<Value> SplitText(Heap& heap, absl::string_view text,
                                const std::string* separator, int64_t split_max,
                                bool from_right);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_REPLACE_H_

// What stands between the quotes of a string in a template.

#ifndef SHOAL_MODEL_JINJA_STRING_LITERAL_H_
#define SHOAL_MODEL_JINJA_STRING_LITERAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::model::jinja {

// Resolves the escapes of Python's strings: \n \t \\ \' \" \xHH \uHHHH
// \UHHHHHHHH, octal numbers, and a backslash at the end of a line, which joins
// it with the next. An unknown escape stays as it is.
// Errors: kInvalidArgument  a number that is cut off or names no character, or
//                           \N{...}
absl::StatusOr<std::string> Unescape(absl::string_view text);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_STRING_LITERAL_H_

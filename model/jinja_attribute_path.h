// Attributes named by a value: "function.name", or the index of an element.

#ifndef SHOAL_MODEL_JINJA_ATTRIBUTE_PATH_H_
#define SHOAL_MODEL_JINJA_ATTRIBUTE_PATH_H_

#include "absl/status/statusor.h"
#include "model/jinja_value.h"

namespace shoal::model::jinja {

// What filters such as map(attribute="a.b") look at: each part of the path is
// a key or attribute, or an index if it is a number.
// Errors: kInvalidArgument  `path` is no string or integer, or an attribute of
//                           something undefined
absl::StatusOr<Value> AttributeAt(Heap& heap, const Value& object,
                                  const Value& path);

}  // namespace shoal::model::jinja

#endif  // SHOAL_MODEL_JINJA_ATTRIBUTE_PATH_H_

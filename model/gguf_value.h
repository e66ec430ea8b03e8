// Reads one metadata value of a GGUF file.

#ifndef SHOAL_MODEL_GGUF_VALUE_H_
#define SHOAL_MODEL_GGUF_VALUE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/gguf.h"
#include "model/gguf_cursor.h"

namespace shoal::model {

// Reads type and value. `key` is for messages.
// Memory: at most 8 bytes per byte read, and 32 for each string.
// Errors: as GgufCursor; kInvalidArgument also for an unknown type, a bool
//         that is neither 0 nor 1, and an array within an array
absl::StatusOr<GgufValue> ReadGgufValue(GgufCursor& cursor,
                                        absl::string_view key);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_VALUE_H_

// Variants of a model file, for tests.

#ifndef SHOAL_TESTS_TESTING_MODEL_FILES_H_
#define SHOAL_TESTS_TESTING_MODEL_FILES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/gguf.h"

namespace shoal::testing {

// The model in `from` with further metadata, which replaces what it has.
absl::Status CopyModelWith(const std::string& from,
                           const model::GgufMetadata& metadata,
                           const std::string& to);

// The model in `from` as `count` files PREFIX-00001-of-0000N.gguf, tensors in
// turn; all other metadata is in the first. Returns their paths.
absl::StatusOr<std::vector<std::string>> SplitModel(const std::string& from,
                                                    const std::string& prefix,
                                                    uint64_t count);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_MODEL_FILES_H_

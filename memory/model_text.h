// model.txt: what a model's folder in the store is, for people and eviction.

#ifndef SHOAL_MEMORY_MODEL_TEXT_H_
#define SHOAL_MEMORY_MODEL_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace shoal::memory {

struct ModelText {
  std::string name;
  uint64_t bytes = 0;  // of all units of the model
  absl::Time last_used = absl::InfinitePast();
};

// Whether `model_id` may name a folder: 1 to 128 letters, digits, '-', '_' and
// '.', not a '.' first.
bool IsModelId(absl::string_view model_id);

// Lines "key: value". The file appears whole or not at all.
// Errors: kUnavailable  it cannot be written
absl::Status WriteModelText(const std::string& path, const ModelText& text);

// Errors: kNotFound  no such file;  kDataLoss  a field is missing or damaged
absl::StatusOr<ModelText> ReadModelText(const std::string& path);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_MODEL_TEXT_H_

// Opens a model file for use: everything of it but the weights, checked.

#ifndef SHOAL_MODEL_OPEN_MODEL_H_
#define SHOAL_MODEL_OPEN_MODEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/architecture.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace shoal::model {

struct OpenedModel {
  GgufHeader header;
  ModelSpec spec;
  std::unique_ptr<Tokenizer> tokenizer;  // never null
};

// After this, only the weights themselves can still be bad.
// Memory: that of the header; no tensor data is read.
// Errors: those of GgufHeader::ReadFile(), LoadModelSpec() and
//         Tokenizer::Create(), and
//         kInvalidArgument  the tokenizer has more or fewer tokens than the
//                           embedding has rows
absl::StatusOr<OpenedModel> OpenModel(const std::string& path);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_OPEN_MODEL_H_

#include "model/open_model.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::model {

absl::StatusOr<OpenedModel> OpenModel(const std::string& path) {
  OpenedModel model;
  SHOAL_ASSIGN_OR_RETURN(model.header, GgufHeader::ReadFile(path));
  SHOAL_ASSIGN_OR_RETURN(model.spec, LoadModelSpec(model.header));
  SHOAL_ASSIGN_OR_RETURN(model.tokenizer, Tokenizer::Create(model.header));
  const int64_t token_count = model.tokenizer->vocab_size();
  if (token_count != int64_t{model.spec.vocabulary}) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": tokenizer.ggml.tokens has ", token_count,
                     " tokens, but ", model.spec.embedding, " has ",
                     model.spec.vocabulary, " rows; they must be as many"));
  }
  return model;
}

}  // namespace shoal::model

#include "coordinator/loaded_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace shoal::coordinator {

absl::StatusOr<std::shared_ptr<LoadedModel>> LoadedModel::Open(
    const std::string& path, const std::string& digest_directory) {
  auto model = std::make_shared<LoadedModel>();
  SHOAL_ASSIGN_OR_RETURN(model::GgufHeader header,
                         model::GgufHeader::ReadFile(path));
  SHOAL_ASSIGN_OR_RETURN(model->tokenizer, model::Tokenizer::Create(header));
  model->chat_template = model::ChatTemplate::FromHeader(header);
  SHOAL_ASSIGN_OR_RETURN(model->file,
                         ModelFile::FromHeader(path, std::move(header)));
  const auto known = static_cast<uint32_t>(model->tokenizer->vocab_size());
  const uint32_t vocabulary = model->file->spec.vocabulary;
  if (known > vocabulary) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": tokenizer.ggml.tokens has ", known, " entries, the embedding ",
        vocabulary, " rows; they must agree"));
  }
  SHOAL_ASSIGN_OR_RETURN(
      model->units,
      UnitServer::Open(path, model->file->description.id, model->file->table,
                       digest_directory, model->file->external));
  return model;
}

absl::StatusOr<const model::ChatTemplate*> LoadedModel::RequireChatTemplate()
    const {
  if (!chat_template.ok()) {
    return absl::Status(
        chat_template.status().code(),
        absl::StrCat(file->path, ": ",
                     std::string(chat_template.status().message()),
                     "; --raw does without the template"));
  }
  if (!chat_template->has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat(file->path,
                     " has no chat template, so it cannot take a conversation; "
                     "give it text to go on with"));
  }
  return &**chat_template;
}

}  // namespace shoal::coordinator

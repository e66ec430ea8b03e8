#include "coordinator/loaded_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "memory/process_memory.h"

namespace shoal::coordinator {
namespace {

// Marks a status, for programs that tell this fault from others.
constexpr char kContextExceeded[] = "shoal/context-exceeded";

// What the coordinator's process grows by while it serves a model, beyond what
// the plan counts: gRPC's buffers and threads for each worker.
constexpr uint64_t kGrowthBytes = uint64_t{4} << 20;
constexpr uint64_t kGrowthPerWorkerBytes = uint64_t{1} << 20;

}  // namespace

absl::StatusOr<std::shared_ptr<LoadedModel>> LoadedModel::Open(
    const std::string& path, const std::string& digest_directory) {
  auto model = std::make_shared<LoadedModel>();
  SHOAL_ASSIGN_OR_RETURN(model::GgufHeader header,
                         model::GgufHeader::ReadFile(path));
  SHOAL_ASSIGN_OR_RETURN(model->tokenizer, model::Tokenizer::Create(header));
  const model::Vocabulary& vocabulary = model->tokenizer->vocabulary();
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    model->token_bytes_max =
        std::max(model->token_bytes_max, vocabulary.Text(id).size());
  }
  model->chat_template = model::ChatTemplate::FromHeader(header);
  SHOAL_ASSIGN_OR_RETURN(model->file,
                         ModelFile::FromHeader(path, std::move(header)));
  const auto known = static_cast<uint32_t>(model->tokenizer->vocab_size());
  const uint32_t rows = model->file->spec.vocabulary;
  if (known > rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": tokenizer.ggml.tokens has ", known, " entries, the embedding ",
        rows, " rows; they must agree"));
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

absl::Status CheckTokens(const LoadedModel& model, uint32_t context_positions,
                         uint32_t first_position,
                         std::span<const int32_t> ids) {
  if (ids.empty()) {
    return absl::InvalidArgumentError(
        "the prompt has no tokens; give at least one");
  }
  if (first_position > context_positions ||
      ids.size() > context_positions - first_position) {
    absl::Status status = absl::InvalidArgumentError(absl::StrCat(
        "the prompt has ", first_position + ids.size(), " tokens, the context ",
        context_positions, " positions; shorten the prompt or raise --ctx"));
    status.SetPayload(kContextExceeded, absl::Cord());
    return status;
  }
  const auto vocabulary = static_cast<int64_t>(model.file->spec.vocabulary);
  for (const int32_t id : ids) {
    if (id >= 0 && id < vocabulary) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token id ", id, " is not in the vocabulary of ",
                     vocabulary, " (0 to ", vocabulary - 1, ")"));
  }
  return absl::OkStatus();
}

absl::Status CheckTextBytes(const LoadedModel& model,
                            uint32_t context_positions, size_t bytes) {
  if (bytes / model.token_bytes_max <= context_positions) {
    return absl::OkStatus();
  }
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(
      "the prompt has ", bytes, " bytes, which are more than ",
      context_positions, " tokens whatever they say, and the context has ",
      context_positions, " positions; shorten the prompt or raise --ctx"));
  status.SetPayload(kContextExceeded, absl::Cord());
  return status;
}

bool IsContextExceeded(const absl::Status& status) {
  return status.GetPayload(kContextExceeded).has_value();
}

uint64_t PeakBytesNow() {
  const auto memory = memory::ReadProcessMemory();
  return memory.ok() ? memory->peak_rss_bytes : 0;
}

uint64_t FixedBytesWith(const LoadedModel& model, uint64_t peak_bytes,
                        size_t worker_count, uint32_t session_count,
                        uint64_t profile_bytes) {
  const uint64_t vocabulary = model.file->spec.vocabulary;
  const uint64_t sampling_bytes =
      vocabulary * (sizeof(float) + uint64_t{8} * session_count);
  const uint64_t reader_bytes =
      worker_count == 0
          ? model.file->table.unit_bytes_max()
          : model.file->table.unit_bytes_max() * UnitServer::kReaderCountMax;
  return std::max(profile_bytes, peak_bytes + kGrowthBytes +
                                     kGrowthPerWorkerBytes * worker_count +
                                     sampling_bytes + reader_bytes);
}

}  // namespace shoal::coordinator

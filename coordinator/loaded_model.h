// What the coordinator keeps of a model while it is loaded.

#ifndef SHOAL_COORDINATOR_LOADED_MODEL_H_
#define SHOAL_COORDINATOR_LOADED_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/placement.h"
#include "coordinator/unit_server.h"
#include "model/chat_template.h"
#include "model/tokenizer.h"

namespace shoal::coordinator {

// Immutable, but for the server's digests.
struct LoadedModel {
  std::unique_ptr<ModelFile> file;
  std::unique_ptr<model::Tokenizer> tokenizer;
  size_t token_bytes_max = 0;         // of text that one token stands for
  std::unique_ptr<UnitServer> units;  // borrows file->table
  // Nothing if the file has none. An error only concerns who wants to use it:
  // a template that cannot be parsed is no reason not to load the model.
  absl::StatusOr<std::optional<model::ChatTemplate>> chat_template =
      std::optional<model::ChatTemplate>();

  // Errors: kFailedPrecondition  the model has no chat template
  //         of model::ChatTemplate::FromHeader()
  absl::StatusOr<const model::ChatTemplate*> RequireChatTemplate() const;

  // Errors: of ModelFile::Read(), model::Tokenizer::Create() and
  //         UnitServer::Open(); kInvalidArgument also if the tokenizer has
  //         tokens without an embedding
  static absl::StatusOr<std::shared_ptr<LoadedModel>> Open(
      const std::string& path, const std::string& digest_directory);
};

// Whether `ids` can run at positions first_position...
// Errors: kInvalidArgument  none, an id out of range, or more than the context
//                           has room for (IsContextExceeded())
absl::Status CheckTokens(const LoadedModel& model, uint32_t context_positions,
                         uint32_t first_position, std::span<const int32_t> ids);

// Whether text of so many bytes can be a prompt at all. To be asked first: text
// takes some 40 times its size while it becomes tokens.
// Errors: kInvalidArgument  more than the context has room for
//                           (IsContextExceeded())
absl::Status CheckTextBytes(const LoadedModel& model,
                            uint32_t context_positions, size_t bytes);

// Of the errors of CheckTokens() and CheckTextBytes(), the one that a shorter
// prompt does not give.
bool IsContextExceeded(const absl::Status& status);

// What the coordinator's process takes beside a plan's memory. Unlike that of a
// worker it depends on the model: header, tokenizer, unit table and buffers. At
// least `profile_bytes`. `peak_bytes` is PeakBytesNow() of when the model was
// open and no plan of it had been loaded.
uint64_t FixedBytesWith(const LoadedModel& model, uint64_t peak_bytes,
                        size_t worker_count, uint32_t session_count,
                        uint64_t profile_bytes);
// Of this process, since it began.
uint64_t PeakBytesNow();

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_LOADED_MODEL_H_

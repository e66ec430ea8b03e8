// What the coordinator keeps of a model while it is loaded.

#ifndef SHOAL_COORDINATOR_LOADED_MODEL_H_
#define SHOAL_COORDINATOR_LOADED_MODEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/placement.h"
#include "coordinator/unit_server.h"
#include "model/tokenizer.h"

namespace shoal::coordinator {

// Immutable, but for the server's digests.
struct LoadedModel {
  std::unique_ptr<ModelFile> file;
  std::unique_ptr<model::Tokenizer> tokenizer;
  std::unique_ptr<UnitServer> units;  // borrows file->table

  // Errors: of ModelFile::Read(), model::Tokenizer::Create() and
  //         UnitServer::Open(); kInvalidArgument also if the tokenizer has
  //         tokens without an embedding
  static absl::StatusOr<std::shared_ptr<LoadedModel>> Open(
      const std::string& path, const std::string& digest_directory);
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_LOADED_MODEL_H_

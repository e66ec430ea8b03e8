// The supported model families: each turns the metadata of a file into a
// ModelSpec, in one file of its own (docs/how-to-add-a-model.md).

#ifndef SHOAL_MODEL_FAMILIES_FAMILIES_H_
#define SHOAL_MODEL_FAMILIES_FAMILIES_H_

#include "absl/status/statusor.h"
#include "model/architecture.h"
#include "model/gguf.h"

namespace shoal::model {

// Errors: as LoadModelSpec()
absl::StatusOr<ModelSpec> LoadCohere2(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadCommandR(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadDeepseek2(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadGemma(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadGemma2(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadGemma3(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadGpt2(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadGptNeox(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadGptOss(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadGranite(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadLlama(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadOlmo2(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadPhi2(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadPhi3(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadQwen2(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadQwen2Moe(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadQwen3(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadQwen3Moe(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadSmolLm3(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadStableLm(const GgufHeader& header);
absl::StatusOr<ModelSpec> LoadStarcoder2(const GgufHeader& header);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_FAMILIES_FAMILIES_H_

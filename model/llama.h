// The Llama family: Llama 1 to 3, Mistral, SmolLM, Yi, TinyLlama and others
// that publish as general.architecture = "llama".
//
// Source: Llama 2 (arXiv 2307.09288), GQA (arXiv 2305.13245).

#ifndef SHOAL_MODEL_LLAMA_H_
#define SHOAL_MODEL_LLAMA_H_

#include "absl/status/statusor.h"
#include "model/architecture.h"

namespace shoal::model {

// Errors: as LoadModelSpec().
absl::StatusOr<ModelSpec> LoadLlama(const GgufHeader& header);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_LLAMA_H_

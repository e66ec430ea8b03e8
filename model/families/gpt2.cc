// GPT-2: learnt position embeddings instead of rotation, layer norms, q, k and
// v in one tensor.

#include <algorithm>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadGpt2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "gpt2", NormKind::kLayer));
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* positions,
                         header.RequireTensor("position_embd.weight"));
  ModelSpec& model = builder.model();
  SHOAL_ASSIGN_OR_RETURN(
      model.position_embedding,
      builder.Matrix("position_embd.weight", positions->rows(), model.hidden));
  model.position_max =
      static_cast<uint32_t>(std::min<uint64_t>(positions->rows(), UINT32_MAX));
  return builder.PreNormDecoder(RopeParameters(), FfnForm::kPlain,
                                Activation::kGelu);
}

}  // namespace shoal::model

// Gemma: embeddings times sqrt(hidden), GELU gates. (The files add the 1 of
// "1 + weight" to the norms.)

#include <cmath>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadGemma(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "gemma", NormKind::kRms));
  const DecoderShape& shape = builder.shape();
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(shape.key_dim, RopePairing::kHalfSplit));
  builder.model().embedding_scale = std::sqrt(static_cast<float>(shape.hidden));
  return builder.PreNormDecoder(rope, FfnForm::kGated, Activation::kGelu);
}

}  // namespace shoal::model

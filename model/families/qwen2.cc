// Qwen2 and Qwen2.5: the llama decoder with biases on q, k and v and rotation
// of halves.

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadQwen2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "qwen2", NormKind::kRms));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  return builder.PreNormDecoder(rope, FfnForm::kGated, Activation::kSilu);
}

}  // namespace shoal::model

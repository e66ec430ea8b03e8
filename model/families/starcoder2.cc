// StarCoder2: layer norms with biases, a plain FFN with GELU, biases on every
// matrix.

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadStarcoder2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "starcoder2", NormKind::kLayer));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  return builder.PreNormDecoder(rope, FfnForm::kPlain, Activation::kGelu);
}

}  // namespace shoal::model

// Phi-2: attention and FFN side by side on one norm; part of each head is
// rotated; the head has a bias.

#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadPhi2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "phi2", NormKind::kLayer));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  for (uint32_t i = 0; i < builder.shape().layer_count; ++i) {
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec phase,
        builder.ParallelPhase(FamilyBuilder::Block(i), rope, FfnForm::kPlain,
                              Activation::kGelu));
    builder.model().layers.push_back({{std::move(phase)}});
  }
  return builder.Finish();
}

}  // namespace shoal::model

// GPT-NeoX (Pythia): attention and FFN on two norms of the same residual, or
// one after the other; part of each head is rotated.

#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadGptNeox(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "gptneox", NormKind::kLayer));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  SHOAL_ASSIGN_OR_RETURN(const auto parallel,
                         header.FindBool("gptneox.use_parallel_residual"));
  if (!parallel.value_or(true)) {
    return builder.PreNormDecoder(rope, FfnForm::kPlain, Activation::kGelu);
  }
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

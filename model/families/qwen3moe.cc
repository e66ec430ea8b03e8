// Qwen3 with routed experts: softmax over all, the chosen weights made to add
// up to 1.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadQwen3Moe(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "qwen3moe", NormKind::kRms));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t width,
      builder.meta().Uint("expert_feed_forward_length", 1, kHiddenMax));
  for (uint32_t i = 0; i < builder.shape().layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           builder.AttentionPhase(block, rope));
    SHOAL_RETURN_IF_ERROR(builder.AddHeadNorms(block, NormKind::kRms,
                                               HeadNormSpec::Scope::kShared,
                                               *attention.attention));
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec ffn,
        builder.ExpertsPhase(block, "ffn_norm", width, Activation::kSilu));
    ffn.experts->normalize = true;
    builder.model().layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  return builder.Finish();
}

}  // namespace shoal::model

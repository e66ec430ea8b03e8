// Qwen2 with routed experts (softmax over all, weights as they come) beside a
// shared one, whose result is scaled by a gate of its own.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadQwen2Moe(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "qwen2moe", NormKind::kRms));
  const DecoderShape& shape = builder.shape();
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(shape.key_dim, RopePairing::kHalfSplit));
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t width,
      builder.meta().Uint("expert_feed_forward_length", 1, kHiddenMax));
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t shared_width,
      builder.meta().Uint("expert_shared_feed_forward_length", 1, kHiddenMax));
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           builder.AttentionPhase(block, rope));
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec ffn,
        builder.ExpertsPhase(block, "ffn_norm", width, Activation::kSilu));
    SHOAL_ASSIGN_OR_RETURN(
        ffn.ffn, builder.SharedExpert(block, shared_width, Activation::kSilu));
    SHOAL_ASSIGN_OR_RETURN(
        ffn.ffn->scale_gate,
        builder.Vector(block + "ffn_gate_inp_shexp.weight", shape.hidden));
    builder.model().layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  return builder.Finish();
}

}  // namespace shoal::model

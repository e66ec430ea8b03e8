// gpt-oss: routed experts with biases and a clamped gate, attention sinks, a
// window on every other layer, YaRN.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadGptOss(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "gpt-oss", NormKind::kRms));
  const Metadata& meta = builder.meta();
  const DecoderShape& shape = builder.shape();
  SHOAL_ASSIGN_OR_RETURN(const RopeParameters rope,
                         meta.Rope(shape.key_dim, RopePairing::kHalfSplit));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t window,
                         meta.Uint("attention.sliding_window", 1, UINT32_MAX));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t width,
                         meta.UintOr("expert_feed_forward_length",
                                     shape.ffn_width, 1, kHiddenMax));
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           builder.AttentionPhase(block, rope));
    AttentionSpec& spec = *attention.attention;
    spec.window = i % 2 == 0 ? window : 0;
    SHOAL_ASSIGN_OR_RETURN(
        spec.sinks,
        builder.Vector(block + "attn_sinks.weight", spec.head_count));
    // What comes before the experts is named after what it follows.
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec ffn, builder.ExpertsPhase(block, "post_attention_norm", width,
                                            Activation::kSwigluClamped));
    ffn.experts->gating = Gating::kSoftmaxChosen;
    builder.model().layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  return builder.Finish();
}

}  // namespace shoal::model

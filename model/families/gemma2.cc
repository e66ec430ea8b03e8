// Gemma 2: norms before and after attention and FFN, capped scores and logits,
// a window on every other layer.

#include <cmath>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

namespace {

// The 27B model, told by its layers as files do not say it, scales queries by
// hidden / heads instead of the size of a head.
constexpr uint32_t kLayersOf27B = 46;

}  // namespace

absl::StatusOr<ModelSpec> LoadGemma2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "gemma2", NormKind::kRms));
  const Metadata& meta = builder.meta();
  const DecoderShape& shape = builder.shape();
  SHOAL_ASSIGN_OR_RETURN(const RopeParameters rope,
                         meta.Rope(shape.key_dim, RopePairing::kHalfSplit));
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t window,
      meta.UintOr("attention.sliding_window", 4096, 1, UINT32_MAX));
  SHOAL_ASSIGN_OR_RETURN(const double score_cap,
                         meta.FloatOr("attn_logit_softcapping", 50, 0, 1e9));
  SHOAL_ASSIGN_OR_RETURN(const double logit_cap,
                         meta.FloatOr("final_logit_softcapping", 30, 0, 1e9));
  const uint32_t query_size = shape.layer_count == kLayersOf27B
                                  ? shape.hidden / shape.head_count
                                  : shape.key_dim;
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           builder.AttentionPhase(block, rope));
    AttentionSpec& spec = *attention.attention;
    spec.scale = 1.0f / std::sqrt(static_cast<float>(query_size));
    spec.window = i % 2 == 0 ? window : 0;
    spec.score_cap = static_cast<float>(score_cap);
    SHOAL_ASSIGN_OR_RETURN(attention.output_norm,
                           builder.Norm(block + "post_attention_norm"));
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec ffn,
        builder.FfnPhase(block, FfnForm::kGated, Activation::kGelu));
    SHOAL_ASSIGN_OR_RETURN(ffn.output_norm,
                           builder.Norm(block + "post_ffw_norm"));
    builder.model().layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  builder.model().embedding_scale = std::sqrt(static_cast<float>(shape.hidden));
  SHOAL_ASSIGN_OR_RETURN(ModelSpec model, builder.Finish());
  model.layers.back().phases[0].head->logit_cap = static_cast<float>(logit_cap);
  return model;
}

}  // namespace shoal::model

// Gemma 3: Gemma 2 without caps, with norms of query and key heads; five layers
// of six see a window and rotate by a base of their own, unscaled.

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

constexpr uint32_t kWholeContextEvery = 6;
constexpr double kLocalRopeBase = 10000.0;
// As in Gemma 2.
constexpr uint32_t kLayersOf27B = 62;

}  // namespace

absl::StatusOr<ModelSpec> LoadGemma3(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "gemma3", NormKind::kRms));
  const DecoderShape& shape = builder.shape();
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(shape.key_dim, RopePairing::kHalfSplit));
  RopeParameters local;
  local.pairing = rope.pairing;
  local.rotary_dim = rope.rotary_dim;
  local.base = kLocalRopeBase;
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t window,
      builder.meta().Uint("attention.sliding_window", 1, UINT32_MAX));
  const uint32_t query_size = shape.layer_count == kLayersOf27B
                                  ? shape.hidden / shape.head_count
                                  : shape.key_dim;
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    const bool whole = (i + 1) % kWholeContextEvery == 0;
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           builder.AttentionPhase(block, whole ? rope : local));
    AttentionSpec& spec = *attention.attention;
    spec.scale = 1.0f / std::sqrt(static_cast<float>(query_size));
    spec.window = whole ? 0 : window;
    SHOAL_RETURN_IF_ERROR(builder.AddHeadNorms(
        block, NormKind::kRms, HeadNormSpec::Scope::kShared, spec));
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
  return builder.Finish();
}

}  // namespace shoal::model

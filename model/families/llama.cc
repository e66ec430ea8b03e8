// The llama family: Llama 1 to 3, Mistral, Mixtral (routed experts, merged or
// one tensor each), SmolLM, Yi, and what was distilled into their shape.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

namespace {

absl::StatusOr<ModelSpec> LoadRouted(FamilyBuilder builder,
                                     const RopeParameters& rope) {
  SHOAL_RETURN_IF_ERROR(builder.AddRopeFactors(rope));
  const DecoderShape& shape = builder.shape();
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           builder.AttentionPhase(block, rope));
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec ffn, builder.ExpertsPhase(block, "ffn_norm", shape.ffn_width,
                                            Activation::kSilu));
    ffn.experts->normalize = true;
    builder.model().layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  return builder.Finish();
}

}  // namespace

absl::StatusOr<ModelSpec> LoadLlama(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "llama", NormKind::kRms));
  const Metadata& meta = builder.meta();
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      meta.Rope(builder.shape().key_dim, RopePairing::kAdjacent));
  if (meta.Has("attention.sliding_window")) {
    builder.model().remarks.push_back(
        "attention.sliding_window is ignored in the llama family: attention "
        "sees the whole context, as in the reference implementations");
  }
  SHOAL_ASSIGN_OR_RETURN(const uint32_t experts,
                         meta.UintOr("expert_count", 0, 0, 4096));
  if (experts > 0) return LoadRouted(std::move(builder), rope);
  return builder.PreNormDecoder(rope, FfnForm::kGated, Activation::kSilu);
}

}  // namespace shoal::model

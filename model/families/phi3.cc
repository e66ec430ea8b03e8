// Phi-3 and Phi-3.5: q, k, v and gate, up in one tensor each, a window on every
// layer where the file says so, longrope.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

namespace {

// Two sets of divisors: the short one up to the original context, the long one
// for runs beyond it (arXiv 2402.13753).
absl::Status AddLongRope(const RopeParameters& rope, FamilyBuilder& builder) {
  if (!builder.HasTensor("rope_factors_long.weight")) return absl::OkStatus();
  ModelSpec& model = builder.model();
  const uint32_t pairs = rope.rotary_dim / 2;
  SHOAL_ASSIGN_OR_RETURN(model.rope_factors_long,
                         builder.Vector("rope_factors_long.weight", pairs));
  SHOAL_ASSIGN_OR_RETURN(model.rope_factors,
                         builder.Vector("rope_factors_short.weight", pairs));
  SHOAL_ASSIGN_OR_RETURN(
      model.rope_original_context,
      builder.meta().Uint("rope.scaling.original_context_length", 1,
                          UINT32_MAX));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelSpec> LoadPhi3(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(FamilyBuilder builder,
                         FamilyBuilder::Create(header, "phi3", NormKind::kRms));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  SHOAL_RETURN_IF_ERROR(AddLongRope(rope, builder));
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t window,
      builder.meta().UintOr("attention.sliding_window", 0, 0, UINT32_MAX));
  for (uint32_t i = 0; i < builder.shape().layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention,
                           builder.AttentionPhase(block, rope));
    attention.attention->window = window;
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec ffn,
        builder.FfnPhase(block, FfnForm::kFusedGate, Activation::kSilu));
    builder.model().layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  return builder.Finish();
}

}  // namespace shoal::model

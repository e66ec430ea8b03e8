// StableLM: layer norms, a part of each head rotated; the 12B form has no FFN
// norm (attention and FFN side by side) and norms each query and key head.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadStableLm(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "stablelm", NormKind::kLayer));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  for (uint32_t i = 0; i < builder.shape().layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    LayerSpec layer;
    if (builder.HasTensor(block + "ffn_norm.weight")) {
      layer.phases.resize(2);
      SHOAL_ASSIGN_OR_RETURN(layer.phases[0],
                             builder.AttentionPhase(block, rope));
      SHOAL_ASSIGN_OR_RETURN(
          layer.phases[1],
          builder.FfnPhase(block, FfnForm::kGated, Activation::kSilu));
    } else {
      layer.phases.resize(1);
      SHOAL_ASSIGN_OR_RETURN(layer.phases[0],
                             builder.ParallelPhase(block, rope, FfnForm::kGated,
                                                   Activation::kSilu));
    }
    if (builder.HasTensor(block + "attn_q_norm.weight")) {
      SHOAL_RETURN_IF_ERROR(builder.AddHeadNorms(block, NormKind::kLayer,
                                                 HeadNormSpec::Scope::kPerHead,
                                                 *layer.phases[0].attention));
    }
    builder.model().layers.push_back(std::move(layer));
  }
  return builder.Finish();
}

}  // namespace shoal::model

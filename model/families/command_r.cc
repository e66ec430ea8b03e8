// Command-R: attention and FFN side by side on one layer norm without bias; the
// larger models norm each query and key head with weights of its own.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadCommandR(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "command-r", NormKind::kLayer));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kAdjacent));
  SHOAL_ASSIGN_OR_RETURN(const double logit_scale,
                         builder.meta().FloatOr("logit_scale", 1, 1e-9, 1e9));
  for (uint32_t i = 0; i < builder.shape().layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec phase,
        builder.ParallelPhase(block, rope, FfnForm::kGated, Activation::kSilu));
    if (builder.HasTensor(block + "attn_q_norm.weight")) {
      SHOAL_RETURN_IF_ERROR(builder.AddHeadNorms(block, NormKind::kLayer,
                                                 HeadNormSpec::Scope::kPerHead,
                                                 *phase.attention));
    }
    builder.model().layers.push_back({{std::move(phase)}});
  }
  SHOAL_ASSIGN_OR_RETURN(ModelSpec model, builder.Finish());
  model.layers.back().phases[0].head->logit_scale =
      static_cast<float>(logit_scale);
  return model;
}

}  // namespace shoal::model

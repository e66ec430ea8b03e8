// Granite: the llama decoder with four factors: of embeddings, attention
// scores, what is added to the residual, and (dividing) logits.

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadGranite(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "granite", NormKind::kRms));
  const Metadata& meta = builder.meta();
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      meta.Rope(builder.shape().key_dim, RopePairing::kAdjacent));
  SHOAL_ASSIGN_OR_RETURN(const double embedding,
                         meta.FloatOr("embedding_scale", 1, 1e-9, 1e9));
  SHOAL_ASSIGN_OR_RETURN(const double residual,
                         meta.FloatOr("residual_scale", 1, 1e-9, 1e9));
  SHOAL_ASSIGN_OR_RETURN(const double logits,
                         meta.FloatOr("logit_scale", 1, 1e-9, 1e9));
  SHOAL_ASSIGN_OR_RETURN(const double attention,
                         meta.FloatOr("attention.scale", 0, 0, 1e9));
  SHOAL_ASSIGN_OR_RETURN(
      ModelSpec model,
      builder.PreNormDecoder(rope, FfnForm::kGated, Activation::kSilu));
  model.embedding_scale = static_cast<float>(embedding);
  for (LayerSpec& layer : model.layers) {
    for (PhaseSpec& phase : layer.phases) {
      phase.residual_scale = static_cast<float>(residual);
      if (phase.attention && attention > 0) {
        phase.attention->scale = static_cast<float>(attention);
      }
      if (phase.head) phase.head->logit_scale = static_cast<float>(1 / logits);
    }
  }
  return model;
}

}  // namespace shoal::model

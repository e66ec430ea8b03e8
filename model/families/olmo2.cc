// OLMo 2: no norm before, one after attention and FFN each; queries and keys
// are normed over all heads together, so their heads are one unit.

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

absl::StatusOr<ModelSpec> LoadOlmo2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "olmo2", NormKind::kRms));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kHalfSplit));
  for (uint32_t i = 0; i < builder.shape().layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    PhaseSpec attention;
    attention.inputs.resize(1);
    SHOAL_ASSIGN_OR_RETURN(attention.attention, builder.Attention(block, rope));
    SHOAL_RETURN_IF_ERROR(builder.AddHeadNorms(block, NormKind::kRms,
                                               HeadNormSpec::Scope::kAllHeads,
                                               *attention.attention));
    SHOAL_ASSIGN_OR_RETURN(attention.output_norm,
                           builder.Norm(block + "post_attention_norm"));
    PhaseSpec ffn;
    ffn.inputs.resize(1);
    SHOAL_ASSIGN_OR_RETURN(
        ffn.ffn, builder.Ffn(block, FfnForm::kGated, Activation::kSilu));
    SHOAL_ASSIGN_OR_RETURN(ffn.output_norm,
                           builder.Norm(block + "post_ffw_norm"));
    builder.model().layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  return builder.Finish();
}

}  // namespace shoal::model

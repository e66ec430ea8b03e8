// SmolLM3: the llama decoder, with every fourth layer unrotated.

#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

namespace {

constexpr uint32_t kUnrotatedEvery = 4;

}  // namespace

absl::StatusOr<ModelSpec> LoadSmolLm3(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "smollm3", NormKind::kRms));
  SHOAL_ASSIGN_OR_RETURN(
      const RopeParameters rope,
      builder.meta().Rope(builder.shape().key_dim, RopePairing::kAdjacent));
  SHOAL_ASSIGN_OR_RETURN(
      ModelSpec model,
      builder.PreNormDecoder(rope, FfnForm::kGated, Activation::kSilu));
  for (uint32_t i = kUnrotatedEvery - 1; i < model.layer_count();
       i += kUnrotatedEvery) {
    model.layers[i].phases[0].attention->rope = RopeParameters();
  }
  return model;
}

}  // namespace shoal::model

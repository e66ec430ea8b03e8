// Cohere2 (Command-R7B, Command-A): Command-R without norms of heads; of every
// four layers three see a window and rotate, the fourth sees all positions and
// knows none.

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/families/families.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopePairing;
using kernels::RopeParameters;

namespace {

// Where the file does not say: files of the first converters never do.
constexpr uint32_t kWholeContextEvery = 4;

// No published file has two bases, and what other readers do with a second one
// differs.
absl::Status RefuseSecondBase(const FamilyBuilder& builder, double base) {
  const absl::string_view key = "rope.freq_base_swa";
  SHOAL_ASSIGN_OR_RETURN(const double windowed,
                         builder.meta().FloatOr(key, base, 1e-3, 1e12));
  if (windowed == base) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      builder.header().source(), ": ", builder.meta().Key(key), " is ",
      windowed, "; Shoal computes this family with one base alone, that of ",
      builder.meta().Key("rope.freq_base"), ", ", base));
}

}  // namespace

absl::StatusOr<ModelSpec> LoadCohere2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "cohere2", NormKind::kLayer));
  const Metadata& meta = builder.meta();
  const DecoderShape& shape = builder.shape();
  SHOAL_ASSIGN_OR_RETURN(const RopeParameters rope,
                         meta.Rope(shape.key_dim, RopePairing::kAdjacent));
  SHOAL_RETURN_IF_ERROR(RefuseSecondBase(builder, rope.base));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t window,
                         meta.Uint("attention.sliding_window", 1, UINT32_MAX));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t whole_every,
                         meta.UintOr("attention.sliding_window_pattern",
                                     kWholeContextEvery, 1, kLayerCountMax));
  SHOAL_ASSIGN_OR_RETURN(const double logit_scale,
                         meta.Float("logit_scale", 1e-9, 1e9));
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    const bool whole = (i + 1) % whole_every == 0;
    SHOAL_ASSIGN_OR_RETURN(
        PhaseSpec phase,
        builder.ParallelPhase(FamilyBuilder::Block(i),
                              whole ? RopeParameters() : rope, FfnForm::kGated,
                              Activation::kSilu));
    phase.attention->window = whole ? 0 : window;
    builder.model().layers.push_back({{std::move(phase)}});
  }
  SHOAL_ASSIGN_OR_RETURN(ModelSpec model, builder.Finish());
  model.layers.back().phases[0].head->logit_scale =
      static_cast<float>(logit_scale);
  return model;
}

}  // namespace shoal::model

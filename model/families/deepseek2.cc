// DeepSeek V2, V3 and R1: multi-head latent attention, routed experts beside
// shared ones after some dense layers.

#include <cmath>
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

// The hub makes the latents (of queries, of keys and values, and the rotated
// part that all keys share); units expand them for their heads.
class LatentAttention {
 public:
  static absl::StatusOr<LatentAttention> Create(FamilyBuilder& builder) {
    const Metadata& meta = builder.meta();
    LatentAttention latent;
    if (meta.Has("attention.key_length_mla")) {
      return absl::UnimplementedError(absl::StrCat(
          builder.header().source(), ": ", meta.Key("attention.key_length_mla"),
          ": files with attn_k_b and attn_v_b are not supported; use one that "
          "was converted with attn_kv_b"));
    }
    SHOAL_ASSIGN_OR_RETURN(
        latent.query_rank_,
        meta.UintOr("attention.q_lora_rank", 0, 0, kHiddenMax));
    SHOAL_ASSIGN_OR_RETURN(latent.kv_rank_,
                           meta.Uint("attention.kv_lora_rank", 1, kHiddenMax));
    SHOAL_ASSIGN_OR_RETURN(latent.rope_, meta.Rope(builder.shape().key_dim,
                                                   RopePairing::kAdjacent));
    if (latent.rope_.rotary_dim >= builder.shape().key_dim) {
      return absl::InvalidArgumentError(absl::StrCat(
          builder.header().source(), ": ", meta.Key("rope.dimension_count"),
          " is ", latent.rope_.rotary_dim, "; allowed: less than ",
          meta.Key("attention.key_length"), ", ", builder.shape().key_dim));
    }
    SHOAL_RETURN_IF_ERROR(latent.ScaleForYarn(meta));
    return latent;
  }

  absl::StatusOr<PhaseSpec> Phase(const std::string& block,
                                  FamilyBuilder& builder) const {
    const DecoderShape& shape = builder.shape();
    PhaseSpec phase;
    SHOAL_ASSIGN_OR_RETURN(const NormSpec norm,
                           builder.Norm(block + "attn_norm"));
    AttentionSpec spec;
    spec.head_count = spec.kv_head_count = shape.head_count;
    spec.key_dim = shape.key_dim;
    spec.value_dim = shape.value_dim;
    spec.scale = scale_ / std::sqrt(static_cast<float>(shape.key_dim));
    spec.rope = rope_;
    spec.shared_key_dim = rope_.rotary_dim;
    spec.rope_begin = spec.own_key_dim();
    spec.query_input = 0;
    spec.key_value_input = 1;
    spec.shared_key_input = 2;
    SHOAL_ASSIGN_OR_RETURN(InputSpec query,
                           QueryInput(block, norm, builder, spec));
    SHOAL_ASSIGN_OR_RETURN(
        const std::string down,
        builder.Matrix(block + "attn_kv_a_mqa.weight",
                       kv_rank_ + rope_.rotary_dim, shape.hidden));
    SHOAL_ASSIGN_OR_RETURN(const NormSpec kv_norm,
                           builder.NormOf(block + "attn_kv_a_norm", kv_rank_));
    phase.inputs = {std::move(query),
                    {norm, down, 0, kv_rank_, kv_norm},
                    {norm, down, kv_rank_, rope_.rotary_dim, {}}};
    // Of each head first the rows of its key, then those of its value.
    const uint32_t stride = spec.own_key_dim() + spec.value_dim;
    SHOAL_ASSIGN_OR_RETURN(
        spec.key.tensor,
        builder.Matrix(block + "attn_kv_b.weight",
                       uint64_t{spec.head_count} * stride, kv_rank_));
    spec.key.stride = stride;
    spec.value = spec.key;
    spec.value.first_row = spec.own_key_dim();
    SHOAL_ASSIGN_OR_RETURN(
        spec.output,
        builder.Matrix(block + "attn_output.weight", shape.hidden,
                       uint64_t{spec.head_count} * spec.value_dim));
    phase.attention = std::move(spec);
    return phase;
  }

 private:
  // The family puts the magnitude of YaRN into the scores, by a factor of its
  // own, and not into the rotation.
  absl::Status ScaleForYarn(const Metadata& meta) {
    SHOAL_ASSIGN_OR_RETURN(
        const double log_multiplier,
        meta.FloatOr("rope.scaling.yarn_log_multiplier", 0, -1e6, 1e6));
    const double log_factor = std::log(1 / rope_.frequency_scale);
    const double magnitude =
        rope_.attention_factor * (1 + log_multiplier * log_factor);
    scale_ = static_cast<float>(magnitude * magnitude);
    rope_.attention_factor =
        rope_.extension_factor != 0 ? 1 / (1 + 0.1 * log_factor) : 1;
    return absl::OkStatus();
  }

  absl::StatusOr<InputSpec> QueryInput(const std::string& block,
                                       const NormSpec& norm,
                                       FamilyBuilder& builder,
                                       AttentionSpec& spec) const {
    const uint32_t hidden = builder.shape().hidden;
    const uint64_t rows = uint64_t{spec.head_count} * spec.key_dim;
    InputSpec input;
    input.norm = norm;
    spec.query.stride = spec.key_dim;
    if (query_rank_ == 0) {
      SHOAL_ASSIGN_OR_RETURN(
          spec.query.tensor,
          builder.Matrix(block + "attn_q.weight", rows, hidden));
      return input;
    }
    SHOAL_ASSIGN_OR_RETURN(
        input.projection,
        builder.Matrix(block + "attn_q_a.weight", query_rank_, hidden));
    input.rows = query_rank_;
    SHOAL_ASSIGN_OR_RETURN(
        input.projection_norm,
        builder.NormOf(block + "attn_q_a_norm", query_rank_));
    SHOAL_ASSIGN_OR_RETURN(
        spec.query.tensor,
        builder.Matrix(block + "attn_q_b.weight", rows, query_rank_));
    return input;
  }

  uint32_t query_rank_ = 0;
  uint32_t kv_rank_ = 0;
  RopeParameters rope_;
  float scale_ = 1;
};

absl::StatusOr<PhaseSpec> RoutedPhase(const std::string& block,
                                      FamilyBuilder& builder) {
  const Metadata& meta = builder.meta();
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t width,
      meta.Uint("expert_feed_forward_length", 1, kHiddenMax));
  SHOAL_ASSIGN_OR_RETURN(
      PhaseSpec phase,
      builder.ExpertsPhase(block, "ffn_norm", width, Activation::kSilu));
  ExpertsSpec& experts = *phase.experts;
  SHOAL_ASSIGN_OR_RETURN(const uint32_t gating,
                         meta.UintOr("expert_gating_func", 1, 1, 2));
  experts.gating = gating == 2 ? Gating::kSigmoid : Gating::kSoftmax;
  SHOAL_ASSIGN_OR_RETURN(
      const auto normalize,
      builder.header().FindBool(meta.Key("expert_weights_norm")));
  experts.normalize = normalize.value_or(false);
  SHOAL_ASSIGN_OR_RETURN(const double scale,
                         meta.FloatOr("expert_weights_scale", 1, 0, 1e6));
  experts.weight_scale = scale == 0 ? 1.0f : static_cast<float>(scale);
  SHOAL_ASSIGN_OR_RETURN(
      experts.selection_bias,
      builder.OptionalVector(block + "exp_probs_b.bias", experts.count()));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t groups,
                         meta.UintOr("expert_group_count", 1, 1, 4096));
  SHOAL_ASSIGN_OR_RETURN(
      const uint32_t groups_used,
      meta.UintOr("expert_group_used_count", groups, 1, 4096));
  if (groups_used < groups) {
    return absl::UnimplementedError(absl::StrCat(
        builder.header().source(), ": ", meta.Key("expert_group_used_count"),
        " is ", groups_used, " of ", groups,
        ": routing by groups of experts is not supported"));
  }
  SHOAL_ASSIGN_OR_RETURN(const uint32_t shared,
                         meta.UintOr("expert_shared_count", 0, 0, 4096));
  if (shared > 0) {
    SHOAL_ASSIGN_OR_RETURN(
        phase.ffn,
        builder.SharedExpert(block, shared * width, Activation::kSilu));
  }
  return phase;
}

}  // namespace

absl::StatusOr<ModelSpec> LoadDeepseek2(const GgufHeader& header) {
  SHOAL_ASSIGN_OR_RETURN(
      FamilyBuilder builder,
      FamilyBuilder::Create(header, "deepseek2", NormKind::kRms));
  SHOAL_ASSIGN_OR_RETURN(const LatentAttention attention,
                         LatentAttention::Create(builder));
  SHOAL_ASSIGN_OR_RETURN(const uint32_t dense_count,
                         builder.meta().UintOr("leading_dense_block_count", 0,
                                               0, builder.shape().layer_count));
  for (uint32_t i = 0; i < builder.shape().layer_count; ++i) {
    const std::string block = FamilyBuilder::Block(i);
    LayerSpec layer;
    layer.phases.resize(2);
    SHOAL_ASSIGN_OR_RETURN(layer.phases[0], attention.Phase(block, builder));
    if (i < dense_count) {
      SHOAL_ASSIGN_OR_RETURN(
          layer.phases[1],
          builder.FfnPhase(block, FfnForm::kGated, Activation::kSilu));
    } else {
      SHOAL_ASSIGN_OR_RETURN(layer.phases[1], RoutedPhase(block, builder));
    }
    builder.model().layers.push_back(std::move(layer));
  }
  return builder.Finish();
}

}  // namespace shoal::model

// The parts of layers that families share: attention, FFN, experts.

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/families/family_builder.h"

namespace shoal::model {

using kernels::RopeParameters;

namespace {

constexpr uint32_t kExpertCountMax = 4096;

}  // namespace

absl::StatusOr<HeadRows> FamilyBuilder::Heads(const std::string& stem,
                                              uint32_t heads, uint32_t dim) {
  HeadRows rows;
  const uint64_t count = uint64_t{heads} * dim;
  SHOAL_ASSIGN_OR_RETURN(rows.tensor,
                         Matrix(stem + ".weight", count, shape_.hidden));
  SHOAL_ASSIGN_OR_RETURN(rows.bias, OptionalVector(stem + ".bias", count));
  rows.stride = dim;
  return rows;
}

absl::Status FamilyBuilder::FusedHeads(const std::string& block,
                                       AttentionSpec& spec) {
  const uint32_t query_rows = spec.head_count * spec.key_dim;
  const uint32_t key_rows = spec.kv_head_count * spec.key_dim;
  const uint32_t value_rows = spec.kv_head_count * spec.value_dim;
  const uint64_t rows = uint64_t{query_rows} + key_rows + value_rows;
  HeadRows fused;
  SHOAL_ASSIGN_OR_RETURN(
      fused.tensor, Matrix(block + "attn_qkv.weight", rows, shape_.hidden));
  SHOAL_ASSIGN_OR_RETURN(fused.bias,
                         OptionalVector(block + "attn_qkv.bias", rows));
  spec.query = spec.key = spec.value = std::move(fused);
  spec.query.stride = spec.key_dim;
  spec.key.first_row = query_rows;
  spec.key.stride = spec.key_dim;
  spec.value.first_row = query_rows + key_rows;
  spec.value.stride = spec.value_dim;
  return absl::OkStatus();
}

absl::StatusOr<AttentionSpec> FamilyBuilder::Attention(
    const std::string& block, const RopeParameters& rope) {
  AttentionSpec spec;
  spec.head_count = shape_.head_count;
  spec.kv_head_count = shape_.kv_head_count;
  spec.key_dim = shape_.key_dim;
  spec.value_dim = shape_.value_dim;
  spec.scale = 1.0f / std::sqrt(static_cast<float>(shape_.key_dim));
  spec.rope = rope;
  if (HasTensor(block + "attn_qkv.weight")) {
    SHOAL_RETURN_IF_ERROR(FusedHeads(block, spec));
  } else {
    SHOAL_ASSIGN_OR_RETURN(
        spec.query, Heads(block + "attn_q", spec.head_count, spec.key_dim));
    SHOAL_ASSIGN_OR_RETURN(
        spec.key, Heads(block + "attn_k", spec.kv_head_count, spec.key_dim));
    SHOAL_ASSIGN_OR_RETURN(
        spec.value,
        Heads(block + "attn_v", spec.kv_head_count, spec.value_dim));
  }
  SHOAL_ASSIGN_OR_RETURN(spec.output,
                         Matrix(block + "attn_output.weight", shape_.hidden,
                                uint64_t{spec.head_count} * spec.value_dim));
  return spec;
}

absl::Status FamilyBuilder::AddHeadNorms(const std::string& block,
                                         NormKind kind,
                                         HeadNormSpec::Scope scope,
                                         AttentionSpec& spec) {
  const auto norm = [&](const char* stem, uint32_t heads,
                        HeadNormSpec& to) -> absl::Status {
    const bool shared = scope == HeadNormSpec::Scope::kShared;
    to.kind = kind;
    to.scope = scope;
    to.epsilon = shape_.epsilon;
    const bool whole = scope == HeadNormSpec::Scope::kAllHeads;
    SHOAL_ASSIGN_OR_RETURN(to.weight,
                           Vectors(absl::StrCat(block, stem, ".weight"),
                                   shared || whole ? 1 : heads,
                                   uint64_t{whole ? heads : 1} * spec.key_dim));
    return absl::OkStatus();
  };
  SHOAL_RETURN_IF_ERROR(norm("attn_q_norm", spec.head_count, spec.query_norm));
  return norm("attn_k_norm", spec.kv_head_count, spec.key_norm);
}

absl::StatusOr<ChannelRows> FamilyBuilder::Channels(const std::string& stem,
                                                    uint32_t rows) {
  ChannelRows channels;
  SHOAL_ASSIGN_OR_RETURN(channels.tensor,
                         Matrix(stem + ".weight", rows, shape_.hidden));
  SHOAL_ASSIGN_OR_RETURN(channels.bias, OptionalVector(stem + ".bias", rows));
  return channels;
}

absl::StatusOr<FfnSpec> FamilyBuilder::Ffn(const std::string& block,
                                           FfnForm form,
                                           Activation activation) {
  FfnSpec spec;
  SHOAL_ASSIGN_OR_RETURN(spec.width,
                         meta_.Uint("feed_forward_length", 1, kHiddenMax * 8));
  spec.activation = activation;
  if (form == FfnForm::kFusedGate) {
    SHOAL_ASSIGN_OR_RETURN(spec.gate,
                           Channels(block + "ffn_up", 2 * spec.width));
    spec.up = spec.gate;
    spec.up.first_row = spec.width;
  } else {
    if (form == FfnForm::kGated) {
      SHOAL_ASSIGN_OR_RETURN(spec.gate,
                             Channels(block + "ffn_gate", spec.width));
    }
    SHOAL_ASSIGN_OR_RETURN(spec.up, Channels(block + "ffn_up", spec.width));
  }
  SHOAL_ASSIGN_OR_RETURN(
      spec.down, Matrix(block + "ffn_down.weight", shape_.hidden, spec.width));
  return spec;
}

absl::StatusOr<FfnSpec> FamilyBuilder::SharedExpert(const std::string& block,
                                                    uint32_t width,
                                                    Activation activation) {
  FfnSpec spec;
  spec.width = width;
  spec.activation = activation;
  SHOAL_ASSIGN_OR_RETURN(spec.gate, Channels(block + "ffn_gate_shexp", width));
  SHOAL_ASSIGN_OR_RETURN(spec.up, Channels(block + "ffn_up_shexp", width));
  SHOAL_ASSIGN_OR_RETURN(
      spec.down, Matrix(block + "ffn_down_shexp.weight", shape_.hidden, width));
  return spec;
}

absl::StatusOr<ExpertTensors> FamilyBuilder::Expert(const std::string& block,
                                                    uint32_t expert,
                                                    uint32_t count,
                                                    uint32_t width) {
  ExpertTensors tensors;
  const auto find = [&](const char* stem, uint32_t rows, uint32_t cols,
                        ChannelRows& to) -> absl::Status {
    const std::string merged = absl::StrCat(block, stem, "_exps");
    const std::string alone = absl::StrCat(block, stem, ".", expert, ".weight");
    // Where there is neither, the error names the usual form.
    if (HasTensor(merged + ".weight") || !HasTensor(alone)) {
      SHOAL_ASSIGN_OR_RETURN(
          to.tensor, Matrix(merged + ".weight", uint64_t{rows} * count, cols));
      if (HasTensor(merged + ".bias")) {
        SHOAL_ASSIGN_OR_RETURN(to.bias, Vectors(merged + ".bias", count, rows));
      }
      to.first_row = expert * rows;
      return absl::OkStatus();
    }
    SHOAL_ASSIGN_OR_RETURN(to.tensor, Matrix(alone, rows, cols));
    return absl::OkStatus();
  };
  SHOAL_RETURN_IF_ERROR(find("ffn_gate", width, shape_.hidden, tensors.gate));
  SHOAL_RETURN_IF_ERROR(find("ffn_up", width, shape_.hidden, tensors.up));
  SHOAL_RETURN_IF_ERROR(find("ffn_down", shape_.hidden, width, tensors.down));
  return tensors;
}

absl::StatusOr<ExpertsSpec> FamilyBuilder::Experts(const std::string& block,
                                                   uint32_t width,
                                                   Activation activation) {
  ExpertsSpec spec;
  SHOAL_ASSIGN_OR_RETURN(const uint32_t count,
                         meta_.Uint("expert_count", 1, kExpertCountMax));
  SHOAL_ASSIGN_OR_RETURN(spec.used, meta_.Uint("expert_used_count", 1, count));
  spec.width = width;
  spec.activation = activation;
  // Rows are numbered over all experts of a merged tensor.
  if (uint64_t{std::max(width, shape_.hidden)} * count > UINT32_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat(header_.source(), ": ", count, " experts of ", width,
                     " channels are more than Shoal can number"));
  }
  for (uint32_t e = 0; e < count; ++e) {
    SHOAL_ASSIGN_OR_RETURN(ExpertTensors expert,
                           Expert(block, e, count, width));
    spec.experts.push_back(std::move(expert));
  }
  SHOAL_ASSIGN_OR_RETURN(
      spec.router, Matrix(block + "ffn_gate_inp.weight", count, shape_.hidden));
  SHOAL_ASSIGN_OR_RETURN(spec.router_bias,
                         OptionalVector(block + "ffn_gate_inp.bias", count));
  return spec;
}

absl::Status FamilyBuilder::AddOutputBias(const std::string& name,
                                          PhaseSpec& phase) {
  SHOAL_ASSIGN_OR_RETURN(std::string bias, OptionalVector(name, shape_.hidden));
  if (!bias.empty()) phase.output_biases.push_back(std::move(bias));
  return absl::OkStatus();
}

absl::StatusOr<PhaseSpec> FamilyBuilder::AttentionPhase(
    const std::string& block, const RopeParameters& rope) {
  PhaseSpec phase;
  SHOAL_ASSIGN_OR_RETURN(NormSpec norm, Norm(block + "attn_norm"));
  phase.inputs.push_back({std::move(norm), {}, 0, 0, {}});
  SHOAL_ASSIGN_OR_RETURN(phase.attention, Attention(block, rope));
  SHOAL_RETURN_IF_ERROR(AddOutputBias(block + "attn_output.bias", phase));
  return phase;
}

absl::StatusOr<PhaseSpec> FamilyBuilder::FfnPhase(const std::string& block,
                                                  FfnForm form,
                                                  Activation activation) {
  PhaseSpec phase;
  SHOAL_ASSIGN_OR_RETURN(NormSpec norm, Norm(block + "ffn_norm"));
  phase.inputs.push_back({std::move(norm), {}, 0, 0, {}});
  SHOAL_ASSIGN_OR_RETURN(phase.ffn, Ffn(block, form, activation));
  SHOAL_RETURN_IF_ERROR(AddOutputBias(block + "ffn_down.bias", phase));
  return phase;
}

absl::StatusOr<PhaseSpec> FamilyBuilder::ExpertsPhase(
    const std::string& block, const std::string& norm_stem, uint32_t width,
    Activation activation) {
  PhaseSpec phase;
  SHOAL_ASSIGN_OR_RETURN(NormSpec norm, Norm(block + norm_stem));
  phase.inputs.push_back({std::move(norm), {}, 0, 0, {}});
  SHOAL_ASSIGN_OR_RETURN(phase.experts, Experts(block, width, activation));
  return phase;
}

absl::StatusOr<PhaseSpec> FamilyBuilder::ParallelPhase(
    const std::string& block, const RopeParameters& rope, FfnForm form,
    Activation activation) {
  SHOAL_ASSIGN_OR_RETURN(PhaseSpec phase, AttentionPhase(block, rope));
  SHOAL_ASSIGN_OR_RETURN(phase.ffn, Ffn(block, form, activation));
  SHOAL_RETURN_IF_ERROR(AddOutputBias(block + "ffn_down.bias", phase));
  if (HasTensor(block + "ffn_norm.weight")) {
    SHOAL_ASSIGN_OR_RETURN(NormSpec norm, Norm(block + "ffn_norm"));
    phase.ffn->input = 1;
    phase.inputs.push_back({std::move(norm), {}, 0, 0, {}});
  }
  return phase;
}

absl::StatusOr<ModelSpec> FamilyBuilder::PreNormDecoder(
    const RopeParameters& rope, FfnForm form, Activation activation) {
  SHOAL_RETURN_IF_ERROR(AddRopeFactors(rope));
  for (uint32_t i = 0; i < shape_.layer_count; ++i) {
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec attention, AttentionPhase(Block(i), rope));
    SHOAL_ASSIGN_OR_RETURN(PhaseSpec ffn, FfnPhase(Block(i), form, activation));
    model_.layers.push_back({{std::move(attention), std::move(ffn)}});
  }
  return Finish();
}

}  // namespace shoal::model

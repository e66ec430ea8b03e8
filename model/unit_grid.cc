#include "model/unit_grid.h"

#include <algorithm>
#include <string>

#include "base/byte_size.h"
#include "base/status_macros.h"
#include "kernels/attention.h"
#include "model/unit_builder.h"

namespace shoal::model {
namespace {

using base::UnitKind;
using kernels::InfoOf;

constexpr uint32_t kFfnUnitChannels = 256;
constexpr uint32_t kFfnUnitCountWanted = 16;
constexpr uint32_t kFloatUnitChannels = 16;
// A whole expert of the models with many small ones; of a large one, what is
// still one efficient read.
constexpr uint64_t kExpertUnitBytes = uint64_t{2} << 20;
// Large enough for efficient products, small enough that no device's floor is
// set by the vocabulary.
constexpr uint32_t kHeadUnitRowsMax = 1024;
constexpr uint32_t kHeadUnitCountWanted = 16;

class LayerGrid {
 public:
  LayerGrid(const ModelSpec& spec, const GgufHeader& header, uint32_t layer,
            std::vector<UnitLayout>& units)
      : spec_(spec),
        hidden_(spec.hidden),
        header_(header),
        layer_(layer),
        units_(units) {}

  absl::Status AddVectors();
  absl::Status AddPhase(uint32_t phase);

 private:
  absl::Status AddPhaseVectors(uint32_t phase, UnitBuilder& b);
  absl::Status AddMatrices(uint32_t phase);
  absl::Status AddAttention(uint32_t phase, const AttentionSpec& spec);
  absl::Status AddAttentionUnit(const AttentionSpec& spec, uint32_t phase,
                                UnitBuilder& b, uint32_t first_group,
                                uint32_t groups);
  absl::Status AddFfn(uint32_t phase, const FfnSpec& spec);
  absl::Status AddExperts(uint32_t phase, const ExpertsSpec& spec);
  absl::Status AddHead(uint32_t phase, const HeadSpec& spec);

  // Columns of an input of the phase.
  uint64_t Cols(uint32_t phase, uint32_t input) const {
    const InputSpec& spec = spec_.layers[layer_].phases[phase].inputs[input];
    return spec.projection.empty() ? hidden_ : spec.rows;
  }

  const ModelSpec& spec_;
  const uint32_t hidden_;
  const GgufHeader& header_;
  const uint32_t layer_;
  std::vector<UnitLayout>& units_;
};

absl::Status LayerGrid::AddPhaseVectors(uint32_t p, UnitBuilder& b) {
  const PhaseSpec& phase = spec_.layers[layer_].phases[p];
  for (size_t slot = 0; slot < phase.inputs.size(); ++slot) {
    const InputSpec& input = phase.inputs[slot];
    b.SetPlace(p, slot);
    SHOAL_RETURN_IF_ERROR(
        b.AddVector(PartRole::kInputNorm, input.norm.weight, 0, hidden_));
    SHOAL_RETURN_IF_ERROR(
        b.AddVector(PartRole::kInputNormBias, input.norm.bias, 0, hidden_));
    SHOAL_RETURN_IF_ERROR(b.AddVector(PartRole::kProjectionNorm,
                                      input.projection_norm.weight, 0,
                                      input.rows));
  }
  for (size_t slot = 0; slot < phase.output_biases.size(); ++slot) {
    b.SetPlace(p, slot);
    SHOAL_RETURN_IF_ERROR(b.AddVector(PartRole::kOutputBias,
                                      phase.output_biases[slot], 0, hidden_));
  }
  b.SetPlace(p, 0);
  SHOAL_RETURN_IF_ERROR(
      b.AddVector(PartRole::kOutputNorm, phase.output_norm.weight, 0, hidden_));
  SHOAL_RETURN_IF_ERROR(b.AddVector(PartRole::kOutputNormBias,
                                    phase.output_norm.bias, 0, hidden_));
  if (phase.ffn) {
    SHOAL_RETURN_IF_ERROR(
        b.AddVector(PartRole::kScaleGate, phase.ffn->scale_gate, 0, hidden_));
  }
  if (!phase.experts) return absl::OkStatus();
  const uint32_t count = phase.experts->count();
  SHOAL_RETURN_IF_ERROR(
      b.AddVector(PartRole::kRouterBias, phase.experts->router_bias, 0, count));
  return b.AddVector(PartRole::kSelectionBias, phase.experts->selection_bias, 0,
                     count);
}

absl::Status LayerGrid::AddVectors() {
  UnitBuilder b(header_, {layer_, 0, UnitKind::kHub, 0, 0});
  for (uint32_t p = 0; p < spec_.layers[layer_].phases.size(); ++p) {
    SHOAL_RETURN_IF_ERROR(AddPhaseVectors(p, b));
  }
  if (layer_ == 0) {
    b.SetPlace(0, 0);
    for (const auto& [role, name] :
         {std::pair(PartRole::kRopeFactors, spec_.rope_factors),
          std::pair(PartRole::kRopeFactorsLong, spec_.rope_factors_long)}) {
      if (name.empty()) continue;
      SHOAL_ASSIGN_OR_RETURN(const GgufTensor* tensor,
                             header_.RequireTensor(name));
      SHOAL_RETURN_IF_ERROR(b.AddVector(role, name, 0, tensor->cols()));
    }
  }
  if (!b.empty()) units_.push_back(b.Finish(0, 1));
  return absl::OkStatus();
}

absl::Status LayerGrid::AddMatrices(uint32_t p) {
  const PhaseSpec& phase = spec_.layers[layer_].phases[p];
  UnitBuilder b(header_, {layer_, p, UnitKind::kHub, 0, 1});
  for (size_t slot = 0; slot < phase.inputs.size(); ++slot) {
    const InputSpec& input = phase.inputs[slot];
    if (input.projection.empty()) continue;
    b.SetPlace(p, slot);
    SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kProjection, input.projection,
                                input.first_row, input.rows, 0, hidden_));
  }
  if (phase.experts) {
    b.SetPlace(p, 0);
    SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kRouter, phase.experts->router, 0,
                                phase.experts->count(), 0, hidden_));
  }
  if (!b.empty()) units_.push_back(b.Finish(0, 1));
  return absl::OkStatus();
}

// KV groups that go together: until their columns of the output tensor are
// whole blocks; all, if their norms need each other.
uint32_t MergedGroups(const AttentionSpec& spec, uint64_t block) {
  if (spec.query_norm.scope == HeadNormSpec::Scope::kAllHeads) {
    return spec.kv_head_count;
  }
  const uint64_t group_cols =
      uint64_t{spec.head_count / spec.kv_head_count} * spec.value_dim;
  uint32_t merged = 1;
  while (merged < spec.kv_head_count && merged * group_cols % block != 0) {
    ++merged;
  }
  return merged;
}

uint64_t KvBlocks(uint32_t dim) {
  return (dim + kernels::kKvBlockElements - 1) / kernels::kKvBlockElements;
}

absl::Status LayerGrid::AddAttention(uint32_t phase,
                                     const AttentionSpec& spec) {
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* output,
                         header_.RequireTensor(spec.output));
  const uint32_t merged =
      MergedGroups(spec, InfoOf(output->type).block_elements);
  for (uint32_t kv = 0; kv < spec.kv_head_count; kv += merged) {
    const uint32_t groups = std::min(merged, spec.kv_head_count - kv);
    UnitBuilder b(header_,
                  {layer_, phase, UnitKind::kAttention, 0, kv / merged});
    SHOAL_RETURN_IF_ERROR(AddAttentionUnit(spec, phase, b, kv, groups));
    b.spec().kv_elements = uint64_t{groups} * (spec.key_dim + spec.value_dim);
    b.spec().kv_blocks =
        uint64_t{groups} * (KvBlocks(spec.key_dim) + KvBlocks(spec.value_dim));
    units_.push_back(b.Finish(kv, groups));
  }
  return absl::OkStatus();
}

absl::Status LayerGrid::AddAttentionUnit(const AttentionSpec& spec,
                                         uint32_t phase, UnitBuilder& b,
                                         uint32_t kv, uint32_t groups) {
  const uint32_t heads_per_group = spec.head_count / spec.kv_head_count;
  const uint32_t head = kv * heads_per_group;
  const uint32_t heads = groups * heads_per_group;
  const auto add = [&](PartRole role, PartRole bias_role, const HeadRows& rows,
                       uint32_t first, uint32_t count, uint32_t dim,
                       uint64_t cols) -> absl::Status {
    const uint64_t row = rows.first_row + uint64_t{first} * rows.stride;
    SHOAL_RETURN_IF_ERROR(
        b.AddRuns(role, rows.tensor, row, rows.stride, dim, count, 0, cols));
    return b.AddVector(bias_role, rows.bias, row, uint64_t{count} * dim);
  };
  const uint64_t kv_cols = Cols(phase, spec.key_value_input);
  SHOAL_RETURN_IF_ERROR(add(PartRole::kQuery, PartRole::kQueryBias, spec.query,
                            head, heads, spec.key_dim,
                            Cols(phase, spec.query_input)));
  SHOAL_RETURN_IF_ERROR(add(PartRole::kKey, PartRole::kKeyBias, spec.key, kv,
                            groups, spec.own_key_dim(), kv_cols));
  SHOAL_RETURN_IF_ERROR(add(PartRole::kValue, PartRole::kValueBias, spec.value,
                            kv, groups, spec.value_dim, kv_cols));
  const uint64_t head_cols = uint64_t{heads_per_group} * spec.value_dim;
  SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kAttentionOutput, spec.output, 0,
                              hidden_, kv * head_cols, groups * head_cols));
  const auto add_norm = [&](PartRole role, const HeadNormSpec& norm,
                            uint32_t first, uint32_t count) {
    const bool shared = norm.scope == HeadNormSpec::Scope::kShared;
    return b.AddVector(role, norm.weight,
                       shared ? 0 : uint64_t{first} * spec.key_dim,
                       uint64_t{shared ? 1 : count} * spec.key_dim);
  };
  SHOAL_RETURN_IF_ERROR(
      add_norm(PartRole::kQueryNorm, spec.query_norm, head, heads));
  SHOAL_RETURN_IF_ERROR(
      add_norm(PartRole::kKeyNorm, spec.key_norm, kv, groups));
  return b.AddVector(PartRole::kSinks, spec.sinks, head, heads);
}

uint32_t FfnUnitChannels(kernels::WeightType down, uint32_t width) {
  const uint32_t block = InfoOf(down).block_elements;
  if (kFfnUnitChannels % block == 0 &&
      width / kFfnUnitChannels >= kFfnUnitCountWanted) {
    return kFfnUnitChannels;
  }
  return block == 1 ? kFloatUnitChannels : block;
}

absl::Status AddChannels(PartRole role, PartRole bias_role,
                         const ChannelRows& rows, uint32_t begin,
                         uint32_t count, uint64_t cols, UnitBuilder& b) {
  if (rows.tensor.empty()) return absl::OkStatus();
  const uint64_t row = uint64_t{rows.first_row} + begin;
  SHOAL_RETURN_IF_ERROR(b.Add(role, rows.tensor, row, count, 0, cols));
  return b.AddVector(bias_role, rows.bias, row, count);
}

absl::Status LayerGrid::AddFfn(uint32_t phase, const FfnSpec& spec) {
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* down,
                         header_.RequireTensor(spec.down));
  const uint32_t channels = FfnUnitChannels(down->type, spec.width);
  for (uint32_t begin = 0; begin < spec.width; begin += channels) {
    const uint32_t count = std::min(channels, spec.width - begin);
    UnitBuilder b(header_,
                  {layer_, phase, UnitKind::kFfn, 0, begin / channels});
    SHOAL_RETURN_IF_ERROR(AddChannels(PartRole::kGate, PartRole::kGateBias,
                                      spec.gate, begin, count, hidden_, b));
    SHOAL_RETURN_IF_ERROR(AddChannels(PartRole::kUp, PartRole::kUpBias, spec.up,
                                      begin, count, hidden_, b));
    SHOAL_RETURN_IF_ERROR(
        b.Add(PartRole::kDown, spec.down, 0, hidden_, begin, count));
    units_.push_back(b.Finish(begin, count));
  }
  return absl::OkStatus();
}

uint32_t ExpertUnitChannels(kernels::WeightType gate, kernels::WeightType down,
                            uint32_t hidden, uint32_t width) {
  const uint64_t block = InfoOf(down).block_elements;
  const uint64_t step = block == 1 ? kFloatUnitChannels : block;
  const uint64_t step_bytes = 2 * kernels::BytesOf(gate, hidden) * step +
                              kernels::BytesOf(down, step) * hidden;
  const uint64_t steps = std::max<uint64_t>(kExpertUnitBytes / step_bytes, 1);
  return static_cast<uint32_t>(std::min<uint64_t>(steps * step, width));
}

absl::Status LayerGrid::AddExperts(uint32_t phase, const ExpertsSpec& spec) {
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* gate,
                         header_.RequireTensor(spec.experts[0].gate.tensor));
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* down,
                         header_.RequireTensor(spec.experts[0].down.tensor));
  const uint32_t channels =
      ExpertUnitChannels(gate->type, down->type, hidden_, spec.width);
  for (uint32_t e = 0; e < spec.count(); ++e) {
    const ExpertTensors& expert = spec.experts[e];
    for (uint32_t begin = 0; begin < spec.width; begin += channels) {
      const uint32_t count = std::min(channels, spec.width - begin);
      UnitBuilder b(header_,
                    {layer_, phase, UnitKind::kExpert, e, begin / channels});
      SHOAL_RETURN_IF_ERROR(AddChannels(PartRole::kGate, PartRole::kGateBias,
                                        expert.gate, begin, count, hidden_, b));
      SHOAL_RETURN_IF_ERROR(AddChannels(PartRole::kUp, PartRole::kUpBias,
                                        expert.up, begin, count, hidden_, b));
      SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kDown, expert.down.tensor,
                                  expert.down.first_row, hidden_, begin,
                                  count));
      if (begin == 0) {
        SHOAL_RETURN_IF_ERROR(b.AddVector(PartRole::kDownBias, expert.down.bias,
                                          expert.down.first_row, hidden_));
      }
      units_.push_back(b.Finish(begin, count));
    }
  }
  return absl::OkStatus();
}

absl::Status LayerGrid::AddHead(uint32_t phase, const HeadSpec& spec) {
  const auto rows = static_cast<uint32_t>(std::min<uint64_t>(
      kHeadUnitRowsMax,
      base::AlignUp(
          std::max<uint32_t>(spec.vocabulary / kHeadUnitCountWanted, 1),
          kernels::kTileRows)));
  for (uint32_t begin = 0; begin < spec.vocabulary; begin += rows) {
    const uint32_t count = std::min(rows, spec.vocabulary - begin);
    UnitBuilder b(header_, {layer_, phase, UnitKind::kHead, 0, begin / rows});
    SHOAL_RETURN_IF_ERROR(
        b.Add(PartRole::kHead, spec.weight, begin, count, 0, hidden_));
    SHOAL_RETURN_IF_ERROR(
        b.AddVector(PartRole::kHeadBias, spec.bias, begin, count));
    units_.push_back(b.Finish(begin, count));
  }
  return absl::OkStatus();
}

absl::Status LayerGrid::AddPhase(uint32_t p) {
  const PhaseSpec& phase = spec_.layers[layer_].phases[p];
  SHOAL_RETURN_IF_ERROR(AddMatrices(p));
  if (phase.attention) {
    SHOAL_RETURN_IF_ERROR(AddAttention(p, *phase.attention));
  }
  if (phase.ffn) SHOAL_RETURN_IF_ERROR(AddFfn(p, *phase.ffn));
  if (phase.experts) SHOAL_RETURN_IF_ERROR(AddExperts(p, *phase.experts));
  if (phase.head) SHOAL_RETURN_IF_ERROR(AddHead(p, *phase.head));
  return absl::OkStatus();
}

}  // namespace

absl::Status AddLayerUnits(const ModelSpec& spec, const GgufHeader& header,
                           uint32_t layer, std::vector<UnitLayout>& units) {
  LayerGrid grid(spec, header, layer, units);
  SHOAL_RETURN_IF_ERROR(grid.AddVectors());
  for (uint32_t p = 0; p < spec.layers[layer].phases.size(); ++p) {
    SHOAL_RETURN_IF_ERROR(grid.AddPhase(p));
  }
  return absl::OkStatus();
}

}  // namespace shoal::model

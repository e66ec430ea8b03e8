#include "model/unit_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/status_macros.h"

namespace shoal::model {
namespace {

using base::UnitKind;
using kernels::BytesOf;
using kernels::InfoOf;

constexpr uint32_t kFfnUnitChannels = 256;
constexpr uint32_t kFfnUnitCountWanted = 16;
constexpr uint32_t kFloatUnitChannels = 16;
// Large enough for efficient products, small enough that no device's floor is
// set by the vocabulary.
constexpr uint32_t kHeadUnitRowsMax = 1024;
constexpr uint32_t kHeadUnitCountWanted = 16;

// Collects the parts of one unit and their offsets.
class UnitBuilder {
 public:
  UnitBuilder(const GgufHeader& header, base::UnitId id) : header_(header) {
    unit_.spec.id = id;
  }

  // Rows [row, row + rows) x columns [col, col + cols) of `tensor`.
  absl::Status Add(PartRole role, const std::string& tensor_name, uint64_t row,
                   uint64_t rows, uint64_t col, uint64_t cols,
                   uint8_t phase = 0) {
    SHOAL_ASSIGN_OR_RETURN(const GgufTensor* tensor,
                           header_.RequireTensor(tensor_name));
    const auto& info = InfoOf(tensor->type);
    if (col % info.block_elements != 0 || cols % info.block_elements != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          header_.source(), ": tensor ", tensor_name, " (", info.name,
          ") cannot be cut at columns ", col, " to ", col + cols,
          ": they are not whole blocks of ", info.block_elements));
    }
    UnitPart part;
    part.role = role;
    part.phase = phase;
    part.type = tensor->type;
    part.rows = static_cast<uint32_t>(rows);
    part.cols = static_cast<uint32_t>(cols);
    part.unit_offset = base::AlignUp(end_, kPartAlignment);
    part.file_stride = BytesOf(tensor->type, tensor->cols());
    part.file_offset =
        tensor->offset + row * part.file_stride + BytesOf(tensor->type, col);
    end_ = part.unit_offset + part.bytes();
    unit_.spec.work_macs += rows * cols;
    unit_.parts.push_back(part);
    return absl::OkStatus();
  }

  UnitLayout Finish(uint32_t begin, uint32_t count) {
    unit_.spec.bytes = base::AlignUp(end_, kPartAlignment);
    unit_.begin = begin;
    unit_.count = count;
    return std::move(unit_);
  }

  base::UnitSpec& spec() { return unit_.spec; }

 private:
  const GgufHeader& header_;
  UnitLayout unit_;
  uint64_t end_ = 0;
};

absl::Status AddHubUnits(const ModelSpec& spec, const GgufHeader& header,
                         uint32_t layer_idx, std::vector<UnitLayout>& units) {
  UnitBuilder builder(header, {layer_idx, 0, UnitKind::kHub, 0, 0});
  const LayerSpec& layer = spec.layers[layer_idx];
  for (size_t p = 0; p < layer.phases.size(); ++p) {
    const PhaseSpec& phase = layer.phases[p];
    const auto number = static_cast<uint8_t>(p);
    if (phase.input_norm.kind != NormKind::kNone) {
      SHOAL_RETURN_IF_ERROR(builder.Add(PartRole::kInputNorm,
                                        phase.input_norm.weight, 0, 1, 0,
                                        spec.hidden, number));
    }
    if (!phase.output_bias.empty()) {
      SHOAL_RETURN_IF_ERROR(builder.Add(PartRole::kOutputBias,
                                        phase.output_bias, 0, 1, 0, spec.hidden,
                                        number));
    }
  }
  builder.spec().work_macs = 0;
  units.push_back(builder.Finish(0, 1));
  if (layer_idx == 0 && !spec.rope_factors.empty()) {
    SHOAL_ASSIGN_OR_RETURN(const GgufTensor* tensor,
                           header.RequireTensor(spec.rope_factors));
    UnitBuilder factors(header, {0, 0, UnitKind::kHub, 0, 1});
    SHOAL_RETURN_IF_ERROR(factors.Add(PartRole::kRopeFactors, spec.rope_factors,
                                      0, 1, 0, tensor->cols()));
    factors.spec().work_macs = 0;
    units.push_back(factors.Finish(0, 1));
  }
  return absl::OkStatus();
}

absl::Status AddAttentionUnits(const AttentionSpec& spec, uint32_t hidden,
                               const GgufHeader& header, base::UnitId id,
                               std::vector<UnitLayout>& units) {
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* output,
                         header.RequireTensor(spec.output));
  const uint64_t block = InfoOf(output->type).block_elements;
  const uint64_t heads_per_group = spec.head_count / spec.kv_head_count;
  const uint64_t group_cols = heads_per_group * spec.value_dim;
  uint32_t merged = 1;
  while (merged < spec.kv_head_count && merged * group_cols % block != 0) {
    ++merged;
  }
  for (uint32_t kv = 0; kv < spec.kv_head_count; kv += merged) {
    const uint64_t groups = std::min(merged, spec.kv_head_count - kv);
    const uint64_t head = kv * heads_per_group;
    const uint64_t heads = groups * heads_per_group;
    id.index = kv / merged;
    UnitBuilder b(header, id);
    SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kQuery, spec.query,
                                head * spec.key_dim, heads * spec.key_dim, 0,
                                hidden));
    SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kKey, spec.key, kv * spec.key_dim,
                                groups * spec.key_dim, 0, hidden));
    SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kValue, spec.value,
                                kv * spec.value_dim, groups * spec.value_dim, 0,
                                hidden));
    SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kAttentionOutput, spec.output, 0,
                                hidden, kv * group_cols, groups * group_cols));
    const uint64_t work = b.spec().work_macs;
    if (!spec.query_bias.empty()) {
      SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kQueryBias, spec.query_bias, 0, 1,
                                  head * spec.key_dim, heads * spec.key_dim));
    }
    if (!spec.key_bias.empty()) {
      SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kKeyBias, spec.key_bias, 0, 1,
                                  kv * spec.key_dim, groups * spec.key_dim));
    }
    if (!spec.value_bias.empty()) {
      SHOAL_RETURN_IF_ERROR(b.Add(PartRole::kValueBias, spec.value_bias, 0, 1,
                                  kv * spec.value_dim,
                                  groups * spec.value_dim));
    }
    b.spec().work_macs = work;
    b.spec().kv_elements = groups * (spec.key_dim + spec.value_dim);
    units.push_back(b.Finish(kv, static_cast<uint32_t>(groups)));
  }
  return absl::OkStatus();
}

uint32_t FfnUnitChannels(kernels::WeightType down, uint32_t width) {
  const uint32_t block = InfoOf(down).block_elements;
  if (kFfnUnitChannels % block == 0 &&
      width / kFfnUnitChannels >= kFfnUnitCountWanted) {
    return kFfnUnitChannels;
  }
  return block == 1 ? kFloatUnitChannels : block;
}

absl::Status AddFfnUnits(const FfnSpec& spec, uint32_t hidden,
                         const GgufHeader& header, base::UnitId id,
                         std::vector<UnitLayout>& units) {
  SHOAL_ASSIGN_OR_RETURN(const GgufTensor* down,
                         header.RequireTensor(spec.down));
  const uint32_t channels = FfnUnitChannels(down->type, spec.width);
  for (uint32_t begin = 0; begin < spec.width; begin += channels) {
    const uint32_t count = std::min(channels, spec.width - begin);
    id.index = begin / channels;
    UnitBuilder b(header, id);
    SHOAL_RETURN_IF_ERROR(
        b.Add(PartRole::kGate, spec.gate, begin, count, 0, hidden));
    SHOAL_RETURN_IF_ERROR(
        b.Add(PartRole::kUp, spec.up, begin, count, 0, hidden));
    SHOAL_RETURN_IF_ERROR(
        b.Add(PartRole::kDown, spec.down, 0, hidden, begin, count));
    units.push_back(b.Finish(begin, count));
  }
  return absl::OkStatus();
}

absl::Status AddHeadUnits(const HeadSpec& spec, uint32_t hidden,
                          const GgufHeader& header, base::UnitId id,
                          std::vector<UnitLayout>& units) {
  const auto rows = static_cast<uint32_t>(std::min<uint64_t>(
      kHeadUnitRowsMax,
      base::AlignUp(
          std::max<uint32_t>(spec.vocabulary / kHeadUnitCountWanted, 1),
          kernels::kTileRows)));
  for (uint32_t begin = 0; begin < spec.vocabulary; begin += rows) {
    const uint32_t count = std::min(rows, spec.vocabulary - begin);
    id.index = begin / rows;
    UnitBuilder b(header, id);
    SHOAL_RETURN_IF_ERROR(
        b.Add(PartRole::kHead, spec.weight, begin, count, 0, hidden));
    units.push_back(b.Finish(begin, count));
  }
  return absl::OkStatus();
}

}  // namespace

const UnitPart* UnitLayout::Find(PartRole role, uint32_t phase) const {
  for (const UnitPart& part : parts) {
    if (part.role == role && part.phase == phase) return &part;
  }
  return nullptr;
}

absl::StatusOr<UnitTable> UnitTable::Create(const ModelSpec& spec,
                                            const GgufHeader& header) {
  UnitTable table;
  auto& units = table.units_;
  for (uint32_t layer = 0; layer < spec.layers.size(); ++layer) {
    SHOAL_RETURN_IF_ERROR(AddHubUnits(spec, header, layer, units));
    const auto& phases = spec.layers[layer].phases;
    for (uint32_t p = 0; p < phases.size(); ++p) {
      if (phases[p].attention) {
        SHOAL_RETURN_IF_ERROR(
            AddAttentionUnits(*phases[p].attention, spec.hidden, header,
                              {layer, p, UnitKind::kAttention, 0, 0}, units));
      }
      if (phases[p].ffn) {
        SHOAL_RETURN_IF_ERROR(AddFfnUnits(*phases[p].ffn, spec.hidden, header,
                                          {layer, p, UnitKind::kFfn, 0, 0},
                                          units));
      }
      if (phases[p].head) {
        SHOAL_RETURN_IF_ERROR(AddHeadUnits(*phases[p].head, spec.hidden, header,
                                           {layer, p, UnitKind::kHead, 0, 0},
                                           units));
      }
    }
  }
  for (const UnitLayout& unit : units) {
    table.unit_bytes_max_ = std::max(table.unit_bytes_max_, unit.spec.bytes);
    table.total_bytes_ += unit.spec.bytes;
  }
  return table;
}

std::vector<base::UnitSpec> UnitTable::Specs() const {
  std::vector<base::UnitSpec> specs;
  specs.reserve(units_.size());
  for (const UnitLayout& unit : units_) specs.push_back(unit.spec);
  return specs;
}

}  // namespace shoal::model

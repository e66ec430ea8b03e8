#include "worker/hub_work.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "parallel/reduce.h"

namespace shoal::worker {

using kernels::Encoding;
using model::NormKind;
using model::PartRole;

namespace {

// Rows of one task of a product; a multiple of the kernels' tile.
constexpr uint32_t kTaskRows = 64;
// Tokens of one task where each is a pass over its elements.
constexpr uint32_t kTaskTokens = 4;

}  // namespace

HubWork::HubWork(LoadedRank& rank) : rank_(rank), hidden_(rank.spec().hidden) {}

std::span<const float> HubWork::Vector(const PhaseWork& work, PartRole role,
                                       uint32_t slot) const {
  return rank_.hub_units().Vector(work.layer, work.phase, role, slot);
}

const float* HubWork::Norm(const model::NormSpec& spec,
                           std::span<const float> weight,
                           std::span<const float> bias, const float* row,
                           uint32_t count, float* to) {
  switch (spec.kind) {
    case NormKind::kNone:
      return row;
    case NormKind::kRms:
      rank_.kernels().rms_norm(row, weight.data(), count, spec.epsilon, to);
      return to;
    case NormKind::kLayer:
      rank_.kernels().layer_norm(row, weight.data(),
                                 bias.empty() ? nullptr : bias.data(), count,
                                 spec.epsilon, to);
      return to;
  }
  return row;
}

void HubWork::MakeInputs(const PhaseWork& work, uint32_t begin,
                         std::span<const float> residual) {
  const auto count = static_cast<uint32_t>(residual.size() / hidden_);
  const bool hub_only = work.only_hub_makes_inputs();
  // Projections and routers multiply all rows at once; without them a row is
  // normed, encoded and forgotten.
  normed_.resize(uint64_t{hub_only ? count : rank_.team().member_count()} *
                 hidden_);
  for (uint32_t input = 0; input < work.spec->inputs.size(); ++input) {
    const model::InputSpec& spec = work.spec->inputs[input];
    const auto weight = Vector(work, PartRole::kInputNorm, input);
    const auto bias = Vector(work, PartRole::kInputNormBias, input);
    const bool projected = !spec.projection.empty();
    rank_.team().Run(count, [&](uint32_t t, uint32_t member) {
      float* to = normed_.data() + uint64_t{hub_only ? t : member} * hidden_;
      const float* from = residual.data() + uint64_t{t} * hidden_;
      const float* row = Norm(spec.norm, weight, bias, from, hidden_, to);
      if (hub_only && row != to) std::copy(row, row + hidden_, to);
      if (!projected) {
        rank_.input().EncodeToken(rank_.kernels(), input, row, begin + t);
      }
    });
    if (projected) Project(work, input, begin, count);
  }
  if (work.spec->routed()) Route(work, begin, count);
}

void HubWork::Multiply(const kernels::WeightMatrix& matrix, uint32_t count) {
  kernels::ActivationView view;
  view.tokens = count;
  view.cols = hidden_;
  view.encoding = rank_.compute().EncodingFor(matrix.type);
  if (view.encoding == Encoding::kF32) {
    view.values = normed_.data();
  } else {
    if (!encoded_) {
      encoded_.emplace(Encoding::kA8, rank_.setup().plan.chunk_tokens, hidden_);
    }
    encoded_->Resize(count);
    for (uint32_t t = 0; t < count; ++t) {
      rank_.kernels().encode_a8(normed_.data() + uint64_t{t} * hidden_, hidden_,
                                encoded_->quants(t), encoded_->scales(t),
                                encoded_->sums(t));
    }
    view = encoded_->View();
  }
  products_.resize(uint64_t{count} * matrix.rows);
  const kernels::ProductOutput output{kernels::ProductOutput::Mode::kStore,
                                      products_.data(), matrix.rows};
  const uint32_t tasks = (matrix.rows + kTaskRows - 1) / kTaskRows;
  rank_.team().Run(tasks, [&](uint32_t task, uint32_t) {
    const uint32_t row = task * kTaskRows;
    rank_.kernels().product(matrix, row, std::min(row + kTaskRows, matrix.rows),
                            view, output);
  });
}

void HubWork::Project(const PhaseWork& work, uint32_t input, uint32_t begin,
                      uint32_t count) {
  const model::InputSpec& spec = work.spec->inputs[input];
  Multiply(rank_.hub_units().Matrix(work.layer, work.phase,
                                    PartRole::kProjection, input),
           count);
  const auto weight = Vector(work, PartRole::kProjectionNorm, input);
  for (uint32_t t = 0; t < count; ++t) {
    float* row = products_.data() + uint64_t{t} * spec.rows;
    Norm(spec.projection_norm, weight, {}, row, spec.rows, row);
    rank_.input().EncodeToken(rank_.kernels(), input, row, begin + t);
  }
}

void HubWork::Route(const PhaseWork& work, uint32_t begin, uint32_t count) {
  const model::PhaseSpec& phase = *work.spec;
  // normed_ has the last input; routed phases have one.
  SHOAL_CHECK(phase.inputs.size() == 1);
  routing_.assign(model::RoutingCols(phase), 1.0f);
  const auto scale_gate = Vector(work, PartRole::kScaleGate);
  const auto router_bias = Vector(work, PartRole::kRouterBias);
  const auto selection_bias = Vector(work, PartRole::kSelectionBias);
  if (phase.experts) {
    Multiply(
        rank_.hub_units().Matrix(work.layer, work.phase, PartRole::kRouter),
        count);
  }
  for (uint32_t t = 0; t < count; ++t) {
    if (phase.experts) {
      const uint32_t experts = phase.experts->count();
      const auto scores =
          std::span(products_).subspan(uint64_t{t} * experts, experts);
      for (size_t e = 0; e < router_bias.size(); ++e) {
        scores[e] += router_bias[e];
      }
      router_.Choose(*phase.experts, scores, selection_bias, routing_);
    }
    if (!scale_gate.empty()) {
      const float* row = normed_.data() + uint64_t{t} * hidden_;
      double dot = 0;
      for (uint32_t i = 0; i < hidden_; ++i) {
        dot += double{row[i]} * scale_gate[i];
      }
      routing_.back() = static_cast<float>(1 / (1 + std::exp(-dot)));
    }
    rank_.input().EncodeToken(rank_.kernels(),
                              static_cast<uint32_t>(phase.inputs.size()),
                              routing_.data(), begin + t);
  }
}

void HubWork::AddResults(const PhaseWork& work, parallel::Payload payload,
                         std::span<const std::byte* const> parts,
                         std::span<float> residual) {
  const model::PhaseSpec& phase = *work.spec;
  const bool plain =
      phase.output_norm.kind == NormKind::kNone && phase.residual_scale == 1.0f;
  if (!plain) sum_.assign(residual.size(), 0.0f);
  const std::span<float> sums = plain ? residual : std::span<float>(sum_);
  const auto weight = Vector(work, PartRole::kOutputNorm);
  const auto norm_bias = Vector(work, PartRole::kOutputNormBias);
  const uint64_t task_floats = uint64_t{kTaskTokens} * hidden_;
  const uint64_t tasks = (residual.size() + task_floats - 1) / task_floats;
  rank_.team().Run(static_cast<uint32_t>(tasks), [&](uint32_t task, uint32_t) {
    const uint64_t begin = task * task_floats;
    const uint64_t count = std::min(task_floats, residual.size() - begin);
    const std::span<float> sum = sums.subspan(begin, count);
    std::array<const std::byte*, parallel::kRankCountMax> from;
    for (size_t r = 0; r < parts.size(); ++r) {
      from[r] = parts[r] + begin * parallel::BytesOf(payload);
    }
    for (size_t i = 0; i < std::max<size_t>(phase.output_biases.size(), 1);
         ++i) {
      // The parts are added once, with the first bias.
      const auto bias =
          Vector(work, PartRole::kOutputBias, static_cast<uint32_t>(i));
      parallel::AddParts(
          payload, std::span(from).first(i == 0 ? parts.size() : 0), bias, sum);
    }
    for (uint64_t row = 0; row < count && !plain; row += hidden_) {
      float* values = sum.data() + row;
      Norm(phase.output_norm, weight, norm_bias, values, hidden_, values);
      for (uint32_t i = 0; i < hidden_; ++i) {
        residual[begin + row + i] += phase.residual_scale * values[i];
      }
    }
  });
}

}  // namespace shoal::worker

// Expert units: FFN units that compute only the tokens routed to them.

#include <algorithm>

#include "base/check.h"
#include "model/routing.h"
#include "model/unit_compute.h"

namespace shoal::model {

using kernels::ActivationBuffer;
using kernels::ActivationView;
using kernels::Encoding;
using kernels::kA8BlockElements;
using kernels::ProductOutput;

void UnitCompute::Experts(const PhaseSpec& phase,
                          std::span<const UnitView> units,
                          const PhaseInput& input, const Accumulator& sum) {
  const ExpertsSpec& spec = *phase.experts;
  const ActivationView routing =
      input.View(static_cast<uint32_t>(phase.inputs.size()), Encoding::kF32);
  for (const UnitView& unit : units) {
    const auto expert = static_cast<float>(unit.layout->spec.id.expert);
    routed_.clear();
    for (uint32_t token = 0; token < routing.tokens; ++token) {
      const float* row = routing.values + uint64_t{token} * routing.cols;
      for (uint32_t i = 0; i < spec.used; ++i) {
        if (row[2 * i] == expert) routed_.push_back({token, row[2 * i + 1]});
      }
    }
    ExpertUnit(spec, unit, input, sum);
  }
}

void UnitCompute::ExpertUnit(const ExpertsSpec& spec, const UnitView& unit,
                             const PhaseInput& input, const Accumulator& sum) {
  const std::span<const RoutedToken> tokens = routed_;
  const size_t tile_tokens = expert_tokens_max();
  for (size_t begin = 0; begin < tokens.size(); begin += tile_tokens) {
    const size_t count = std::min(tile_tokens, tokens.size() - begin);
    ExpertTile(spec, unit, tokens.subspan(begin, count), input, sum);
  }
}

// The tokens' rows side by side, as products take them.
ActivationView UnitCompute::Gather(std::span<const RoutedToken> tokens,
                                   const ActivationView& from) {
  const uint32_t cols = from.cols;
  const bool a8 = from.encoding == Encoding::kA8;
  auto& buffer = a8 ? gathered_a8_ : gathered_f32_;
  if (!buffer) buffer.emplace(from.encoding, expert_tokens_max(), cols);
  buffer->Resize(static_cast<uint32_t>(tokens.size()));
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    const uint64_t row = uint64_t{tokens[i].token} * cols;
    if (!a8) {
      std::copy_n(from.values + row, cols, buffer->values(i));
      continue;
    }
    const uint64_t block = row / kA8BlockElements;
    const uint32_t blocks = cols / kA8BlockElements;
    std::copy_n(from.quants + row, cols, buffer->quants(i));
    std::copy_n(from.scales + block, blocks, buffer->scales(i));
    std::copy_n(from.sums + row / kernels::kA8SumElements,
                cols / kernels::kA8SumElements, buffer->sums(i));
  }
  return buffer->View();
}

void UnitCompute::ExpertTile(const ExpertsSpec& spec, const UnitView& unit,
                             std::span<const RoutedToken> tokens,
                             const PhaseInput& input, const Accumulator& sum) {
  const uint32_t channels = unit.layout->count;
  const uint32_t hidden = options_.hidden;
  const auto count = static_cast<uint32_t>(tokens.size());
  const ExpertScratch scratch = {
      scratch_.data(), scratch_.data() + uint64_t{count} * channels,
      scratch_.data() + 2 * uint64_t{count} * channels};
  const auto gathered = [&](PartRole role) {
    const Encoding encoding = EncodingFor(MatrixOf(unit, role).type);
    return Gather(tokens, input.View(spec.input, encoding));
  };
  AddProduct(unit, PartRole::kGate, gathered(PartRole::kGate), scratch.gate);
  AddProduct(unit, PartRole::kUp, gathered(PartRole::kUp), scratch.up);
  RunProducts();
  BeginIntermediates();
  AddIntermediate(MatrixOf(unit, PartRole::kDown).type, scratch.gate, channels,
                  {0, count});
  team_.Run(count, [&](uint32_t token, uint32_t) {
    const uint64_t row = uint64_t{token} * channels;
    Activate(spec.activation, unit, scratch.gate + row, scratch.up + row);
    EncodeIntermediate(0, scratch.gate, token);
  });
  const ProductOutput output{ProductOutput::Mode::kStore, scratch.result,
                             hidden};
  SplitRows(hidden, count, kTaskRows);
  team_.Run(static_cast<uint32_t>(tasks_.size()), [&](uint32_t task, uint32_t) {
    const uint32_t begin = tasks_[task].row_begin;
    const uint32_t end = tasks_[task].row_end;
    kernels_.product(MatrixOf(unit, PartRole::kDown), begin, end,
                     intermediates_[0], output);
    AddWeighted(unit, tokens, scratch.result, begin, end, sum);
  });
}

void UnitCompute::AddWeighted(const UnitView& unit,
                              std::span<const RoutedToken> tokens,
                              const float* results, uint32_t row_begin,
                              uint32_t row_end, const Accumulator& sum) {
  const float* bias = VectorOf(unit, PartRole::kDownBias);
  const uint32_t hidden = options_.hidden;
  const auto add = [&](auto* sums) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const float* from = results + i * hidden;
      auto* to = sums + uint64_t{tokens[i].token} * hidden;
      for (uint32_t row = row_begin; row < row_end; ++row) {
        const float value = bias == nullptr ? from[row] : from[row] + bias[row];
        to[row] += tokens[i].weight * value;
      }
    }
  };
  if (sum.mode == ProductOutput::Mode::kAddF64) {
    add(static_cast<double*>(sum.data));
  } else {
    add(static_cast<float*>(sum.data));
  }
}

}  // namespace shoal::model

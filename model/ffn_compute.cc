// FFN units: gate and up rows, the activation, the matching columns of down.

#include "base/check.h"
#include "model/routing.h"
#include "model/unit_compute.h"

namespace shoal::model {

float* UnitCompute::Activate(Activation activation, const UnitView& unit,
                             float* gate, float* up) {
  const uint32_t channels = unit.layout->count;
  AddBias(VectorOf(unit, PartRole::kUpBias), channels, up);
  if (unit.layout->Find(PartRole::kGate) == nullptr) {
    SHOAL_CHECK(activation == Activation::kGelu);
    kernels_.gelu_mul(up, nullptr, channels);
    return up;
  }
  AddBias(VectorOf(unit, PartRole::kGateBias), channels, gate);
  switch (activation) {
    case Activation::kSilu:
      kernels_.silu_mul(gate, up, channels);
      break;
    case Activation::kGelu:
      kernels_.gelu_mul(gate, up, channels);
      break;
    case Activation::kSwigluClamped:
      kernels_.swiglu_clamped(gate, up, channels);
      break;
  }
  return gate;
}

void UnitCompute::Ffn(const PhaseSpec& phase, std::span<const UnitView> units,
                      const PhaseInput& input, const Accumulator& sum) {
  ForEachTile(phase, units, PartRole::kDown, sum,
              [&](std::span<const UnitView> some, const Tile& tile) {
                FfnTile(phase, some, input, tile);
              });
}

void UnitCompute::FfnTile(const PhaseSpec& phase,
                          std::span<const UnitView> units,
                          const PhaseInput& input, const Tile& tile) {
  const FfnSpec& spec = *phase.ffn;
  const bool gated = !spec.gate.tensor.empty();
  const auto up_of = [&](uint32_t u) { return ScratchOf(u, tile); };
  const auto gate_of = [&](uint32_t u) {
    return up_of(u) + uint64_t{tile.count} * units[u].layout->count;
  };
  const auto first = static_cast<uint32_t>(intermediates_.size());
  for (uint32_t u = 0; u < units.size(); ++u) {
    // In the order of memory.
    if (gated) {
      AddProduct(units[u], PartRole::kGate, input, spec.input, tile,
                 gate_of(u));
    }
    AddProduct(units[u], PartRole::kUp, input, spec.input, tile, up_of(u));
    AddIntermediate(units[u].layout->Find(PartRole::kDown)->type,
                    gated ? gate_of(u) : up_of(u), units[u].layout->count,
                    tile);
  }
  RunProducts();
  const auto count = static_cast<uint32_t>(units.size());
  ForEachToken(count, tile.count, [&](uint32_t u, uint32_t token) {
    const uint32_t channels = units[u].layout->count;
    const uint64_t row = uint64_t{token} * channels;
    float* result =
        Activate(spec.activation, units[u], gate_of(u) + row, up_of(u) + row);
    if (!spec.scale_gate.empty()) {
      const auto routing = input.View(
          static_cast<uint32_t>(phase.inputs.size()), kernels::Encoding::kF32);
      const float factor =
          routing.values[uint64_t{tile.begin + token} * routing.cols +
                         ScaleColumn(phase)];
      for (uint32_t i = 0; i < channels; ++i) result[i] *= factor;
    }
    EncodeIntermediate(first + u, gated ? gate_of(u) : up_of(u), token);
  });
}

}  // namespace shoal::model

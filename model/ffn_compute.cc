// FFN units: gate and up rows, the activation, the matching columns of down.

#include "base/check.h"
#include "model/unit_compute.h"

namespace shoal::model {

void UnitCompute::Ffn(const FfnSpec& spec, std::span<const UnitView> units,
                      const PhaseInput& input, const Accumulator& sum) {
  SHOAL_CHECK(spec.activation == Activation::kSilu);
  ForEachBatch(units, [&](std::span<const UnitView> batch, const Tile& tile) {
    FfnTile(batch, input, sum, tile);
  });
}

void UnitCompute::FfnTile(std::span<const UnitView> units,
                          const PhaseInput& input, const Accumulator& sum,
                          const Tile& tile) {
  const uint64_t unit_floats =
      uint64_t{tile.count} * options_.unit_scratch_floats;
  const auto gate_of = [&](uint32_t u) {
    return scratch_.data() + u * unit_floats;
  };
  const auto up_of = [&](uint32_t u) {
    return gate_of(u) + uint64_t{tile.count} * units[u].layout->count;
  };
  BeginIntermediates();
  for (uint32_t u = 0; u < units.size(); ++u) {
    AddProduct(units[u], PartRole::kGate, input, tile, gate_of(u));
    AddProduct(units[u], PartRole::kUp, input, tile, up_of(u));
    AddIntermediate(units[u].layout->Find(PartRole::kDown)->type, gate_of(u),
                    units[u].layout->count, tile);
  }
  RunProducts();
  const auto count = static_cast<uint32_t>(units.size());
  team_.Run(count * tile.count, [&](uint32_t task, uint32_t) {
    const uint32_t u = task / tile.count;
    const uint32_t token = task % tile.count;
    const uint32_t channels = units[u].layout->count;
    const uint64_t row = uint64_t{token} * channels;
    kernels_.silu_mul(gate_of(u) + row, up_of(u) + row, channels);
    EncodeIntermediate(u, gate_of(u), token);
  });
  RunOutputProducts(units, PartRole::kDown, sum, tile);
}

}  // namespace shoal::model

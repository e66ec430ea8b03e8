// Attention units: queries, keys and values of a KV group, rotation, the
// cache, attention, and the group's columns of the output matrix.

#include <algorithm>

#include "base/check.h"
#include "model/unit_compute.h"

namespace shoal::model {

using kernels::kKvPagePositions;
using kernels::KvType;

namespace {

void AddBias(const UnitView& unit, PartRole role, float* row, uint32_t count) {
  const UnitPart* part = unit.layout->Find(role);
  if (part == nullptr) return;
  const auto* bias =
      reinterpret_cast<const float*>(unit.data + part->unit_offset);
  for (uint32_t i = 0; i < count; ++i) row[i] += bias[i];
}

}  // namespace

UnitCompute::AttentionScratch UnitCompute::ScratchOf(const AttentionSpec& spec,
                                                     const UnitView& unit,
                                                     float* base,
                                                     const Tile& tile) const {
  const uint64_t groups = unit.layout->count;
  const uint64_t heads = groups * (spec.head_count / spec.kv_head_count);
  AttentionScratch scratch;
  scratch.query = base;
  scratch.key = scratch.query + tile.count * heads * spec.key_dim;
  scratch.value = scratch.key + tile.count * groups * spec.key_dim;
  scratch.result = scratch.value + tile.count * groups * spec.value_dim;
  return scratch;
}

void UnitCompute::Attention(const AttentionSpec& spec,
                            std::span<const UnitView> units,
                            const PhaseInput& input, const Accumulator& sum) {
  const float* angles = AnglesOf(spec.rope);
  ForEachBatch(units, [&](std::span<const UnitView> batch, const Tile& tile) {
    AttentionTile(spec, batch, input, sum, tile, angles);
  });
}

void UnitCompute::AttentionTile(const AttentionSpec& spec,
                                std::span<const UnitView> units,
                                const PhaseInput& input, const Accumulator& sum,
                                const Tile& tile, const float* angles) {
  const uint32_t heads_per_group = spec.head_count / spec.kv_head_count;
  const uint64_t unit_floats =
      uint64_t{tile.count} * options_.unit_scratch_floats;
  const auto scratch_of = [&](uint32_t u) {
    return ScratchOf(spec, units[u], scratch_.data() + u * unit_floats, tile);
  };
  BeginIntermediates();
  for (uint32_t u = 0; u < units.size(); ++u) {
    const AttentionScratch scratch = scratch_of(u);
    AddProduct(units[u], PartRole::kQuery, input, tile, scratch.query);
    AddProduct(units[u], PartRole::kKey, input, tile, scratch.key);
    AddProduct(units[u], PartRole::kValue, input, tile, scratch.value);
    AddIntermediate(
        units[u].layout->Find(PartRole::kAttentionOutput)->type, scratch.result,
        units[u].layout->count * heads_per_group * spec.value_dim, tile);
  }
  RunProducts();
  const auto count = static_cast<uint32_t>(units.size());
  // Every key of the tile is stored before any query of it looks.
  team_.Run(count * tile.count, [&](uint32_t task, uint32_t) {
    const uint32_t u = task / tile.count;
    const uint32_t token = task % tile.count;
    RotateAndStore(
        spec, units[u], scratch_of(u), tile, token,
        angles + uint64_t{tile.begin + token} * spec.rope.rotary_dim);
  });
  team_.Run(count * tile.count, [&](uint32_t task, uint32_t) {
    const uint32_t u = task / tile.count;
    const uint32_t token = task % tile.count;
    const AttentionScratch scratch = scratch_of(u);
    const uint32_t heads = units[u].layout->count * heads_per_group;
    for (uint32_t head = 0; head < heads; ++head) {
      Attend(spec, units[u], scratch, tile, token, head);
    }
    EncodeIntermediate(u, scratch.result, token);
  });
  RunOutputProducts(units, PartRole::kAttentionOutput, sum, tile);
}

void UnitCompute::RotateAndStore(const AttentionSpec& spec,
                                 const UnitView& unit,
                                 const AttentionScratch& scratch,
                                 const Tile& tile, uint32_t token,
                                 const float* cos_sin) {
  const uint32_t groups = unit.layout->count;
  const uint32_t heads = groups * (spec.head_count / spec.kv_head_count);
  float* query = scratch.query + uint64_t{token} * heads * spec.key_dim;
  float* key = scratch.key + uint64_t{token} * groups * spec.key_dim;
  float* value = scratch.value + uint64_t{token} * groups * spec.value_dim;
  AddBias(unit, PartRole::kQueryBias, query, heads * spec.key_dim);
  AddBias(unit, PartRole::kKeyBias, key, groups * spec.key_dim);
  AddBias(unit, PartRole::kValueBias, value, groups * spec.value_dim);
  const auto rotate = [&](float* head) {
    if (spec.rope.rotary_dim == 0) return;
    kernels_.rope(spec.rope.pairing, cos_sin, spec.rope.rotary_dim, head);
  };
  for (uint32_t h = 0; h < heads; ++h) rotate(query + h * spec.key_dim);
  const TokenPlace& place = places_[tile.begin + token];
  const uint32_t slot = place.position % kKvPagePositions;
  for (uint32_t g = 0; g < groups; ++g) {
    rotate(key + g * spec.key_dim);
    std::byte* page = kv_.Pages(
        place.session, unit.kv_stream + g)[place.position / kKvPagePositions];
    const uint64_t element = kernels::BytesOfElement(options_.kv_type);
    std::byte* key_to = page + uint64_t{slot} * spec.key_dim * element;
    std::byte* value_to = page + (uint64_t{kKvPagePositions} * spec.key_dim +
                                  uint64_t{slot} * spec.value_dim) *
                                     element;
    StoreKv(key + g * spec.key_dim, spec.key_dim, key_to);
    StoreKv(value + g * spec.value_dim, spec.value_dim, value_to);
  }
}

void UnitCompute::StoreKv(const float* from, uint32_t count, std::byte* to) {
  if (options_.kv_type == KvType::kF32) {
    std::copy(from, from + count, reinterpret_cast<float*>(to));
  } else {
    kernels_.f32_to_f16(from, count, reinterpret_cast<uint16_t*>(to));
  }
}

void UnitCompute::Attend(const AttentionSpec& spec, const UnitView& unit,
                         const AttentionScratch& scratch, const Tile& tile,
                         uint32_t token, uint32_t head) {
  const uint32_t heads_per_group = spec.head_count / spec.kv_head_count;
  const uint64_t row =
      uint64_t{token} * unit.layout->count * heads_per_group + head;
  const TokenPlace& place = places_[tile.begin + token];
  kernels::AttentionArgs args;
  args.kv_type = options_.kv_type;
  args.key_dim = spec.key_dim;
  args.value_dim = spec.value_dim;
  args.query = scratch.query + row * spec.key_dim;
  args.scale = spec.scale;
  args.pages =
      kv_.Pages(place.session, unit.kv_stream + head / heads_per_group).data();
  args.end = place.position + 1;
  kernels_.attention(args, scratch.result + row * spec.value_dim);
}

}  // namespace shoal::model

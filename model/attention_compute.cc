// Attention units: queries, keys and values of a KV group, rotation, the
// cache, attention, and the group's columns of the output matrix.

#include <algorithm>

#include "base/check.h"
#include "model/unit_compute.h"

namespace shoal::model {

using kernels::kKvPagePositions;
using kernels::KvType;

namespace {

void AddBias(const float* bias, uint32_t count, float* row) {
  if (bias == nullptr) return;
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
  scratch.own_key = spec.shared_key_dim == 0
                        ? scratch.key
                        : scratch.result + tile.count * heads * spec.value_dim;
  return scratch;
}

void UnitCompute::Attention(const PhaseSpec& phase,
                            std::span<const UnitView> units,
                            const PhaseInput& input, const Accumulator& sum) {
  const AttentionSpec& spec = *phase.attention;
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
    AddProduct(units[u], PartRole::kQuery, input, spec.query_input, tile,
               scratch.query);
    AddProduct(units[u], PartRole::kKey, input, spec.key_value_input, tile,
               scratch.own_key);
    AddProduct(units[u], PartRole::kValue, input, spec.key_value_input, tile,
               scratch.value);
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
    const uint64_t row = tile.begin + token;
    const float* shared_key =
        spec.shared_key_dim == 0
            ? nullptr
            : input.View(spec.shared_key_input, kernels::Encoding::kF32)
                      .values +
                  row * spec.shared_key_dim;
    const AttentionScratch scratch = scratch_of(u);
    FinishHeads(spec, units[u], scratch, token, shared_key,
                angles + row * spec.rope.rotary_dim);
    StoreKeysAndValues(spec, units[u], scratch, tile, token);
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

void UnitCompute::NormHeads(const HeadNormSpec& norm, const UnitView& unit,
                            PartRole role, uint32_t heads, uint32_t dim,
                            float* values) {
  if (norm.kind == NormKind::kNone) return;
  const float* weight = VectorOf(unit, role);
  if (norm.scope == HeadNormSpec::Scope::kAllHeads) {
    dim *= heads;
    heads = 1;
  }
  const bool shared = norm.scope == HeadNormSpec::Scope::kShared;
  for (uint32_t h = 0; h < heads; ++h) {
    float* head = values + h * dim;
    const float* head_weight = shared ? weight : weight + h * dim;
    if (norm.kind == NormKind::kRms) {
      kernels_.rms_norm(head, head_weight, dim, norm.epsilon, head);
    } else {
      kernels_.layer_norm(head, head_weight, nullptr, dim, norm.epsilon, head);
    }
  }
}

void UnitCompute::FinishHeads(const AttentionSpec& spec, const UnitView& unit,
                              const AttentionScratch& scratch, uint32_t token,
                              const float* shared_key, const float* cos_sin) {
  const uint32_t groups = unit.layout->count;
  const uint32_t heads = groups * (spec.head_count / spec.kv_head_count);
  float* query = scratch.query + uint64_t{token} * heads * spec.key_dim;
  float* key = scratch.key + uint64_t{token} * groups * spec.key_dim;
  float* value = scratch.value + uint64_t{token} * groups * spec.value_dim;
  const uint32_t own_dim = spec.own_key_dim();
  float* own_key = scratch.own_key + uint64_t{token} * groups * own_dim;
  AddBias(VectorOf(unit, PartRole::kQueryBias), heads * spec.key_dim, query);
  AddBias(VectorOf(unit, PartRole::kKeyBias), groups * own_dim, own_key);
  AddBias(VectorOf(unit, PartRole::kValueBias), groups * spec.value_dim, value);
  for (uint32_t g = 0; g < groups && shared_key != nullptr; ++g) {
    float* head = key + g * spec.key_dim;
    std::copy(own_key + g * own_dim, own_key + (g + 1) * own_dim, head);
    std::copy(shared_key, shared_key + spec.shared_key_dim, head + own_dim);
  }
  NormHeads(spec.query_norm, unit, PartRole::kQueryNorm, heads, spec.key_dim,
            query);
  NormHeads(spec.key_norm, unit, PartRole::kKeyNorm, groups, spec.key_dim, key);
  if (spec.rope.rotary_dim == 0) return;
  const auto rotate = [&](float* head) {
    kernels_.rope(spec.rope.pairing, cos_sin, spec.rope.rotary_dim,
                  head + spec.rope_begin);
  };
  for (uint32_t h = 0; h < heads; ++h) rotate(query + h * spec.key_dim);
  for (uint32_t g = 0; g < groups; ++g) rotate(key + g * spec.key_dim);
}

void UnitCompute::StoreKeysAndValues(const AttentionSpec& spec,
                                     const UnitView& unit,
                                     const AttentionScratch& scratch,
                                     const Tile& tile, uint32_t token) {
  const uint32_t groups = unit.layout->count;
  const float* key = scratch.key + uint64_t{token} * groups * spec.key_dim;
  const float* value =
      scratch.value + uint64_t{token} * groups * spec.value_dim;
  const TokenPlace& place = places_[tile.begin + token];
  const uint32_t slot = place.position % kKvPagePositions;
  const uint64_t element = kernels::BytesOfElement(options_.kv_type);
  for (uint32_t g = 0; g < groups; ++g) {
    std::byte* page = kv_.Pages(
        place.session, unit.kv_stream + g)[place.position / kKvPagePositions];
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
  if (spec.window > 0 && args.end > spec.window) {
    args.begin = args.end - spec.window;
  }
  args.score_cap = spec.score_cap;
  const float* sinks = VectorOf(unit, PartRole::kSinks);
  if (sinks != nullptr) args.sink = sinks + head;
  kernels_.attention(args, scratch.result + row * spec.value_dim);
}

}  // namespace shoal::model

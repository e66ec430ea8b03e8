// Attention units: queries, keys and values of a KV group, rotation, the
// cache, attention, and the group's columns of the output matrix.

#include <algorithm>
#include <array>

#include "base/check.h"
#include "model/unit_compute.h"

namespace shoal::model {

using kernels::kAttentionQueriesMax;
using kernels::kKvPagePositions;

namespace {

// A task takes no fewer queries: they share what is widened of the cache.
constexpr uint32_t kTaskQueriesMin = 4;
// So many tasks a member, if there is enough to do.
constexpr uint32_t kTasksPerMember = 3;

}  // namespace

UnitCompute::AttentionScratch UnitCompute::ScratchOf(const AttentionSpec& spec,
                                                     const UnitView& unit,
                                                     uint32_t unit_idx,
                                                     const Tile& tile) {
  const uint64_t groups = unit.layout->count;
  const uint64_t heads = groups * (spec.head_count / spec.kv_head_count);
  AttentionScratch scratch;
  scratch.query = ScratchOf(unit_idx, tile);
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
  ForEachTile(phase, units, PartRole::kAttentionOutput, sum,
              [&](std::span<const UnitView> some, const Tile& tile) {
                AttentionTile(spec, some, input, tile, angles);
              });
}

void UnitCompute::AttentionTile(const AttentionSpec& spec,
                                std::span<const UnitView> units,
                                const PhaseInput& input, const Tile& tile,
                                const float* angles) {
  const uint32_t heads_per_group = spec.head_count / spec.kv_head_count;
  const auto scratch_of = [&](uint32_t u) {
    return ScratchOf(spec, units[u], u, tile);
  };
  const auto first = static_cast<uint32_t>(intermediates_.size());
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
  ForEachToken(count, tile.count, [&](uint32_t u, uint32_t token) {
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
  RunAttention(spec, units, tile);
  ForEachToken(count, tile.count, [&](uint32_t u, uint32_t token) {
    EncodeIntermediate(first + u, scratch_of(u).result, token);
  });
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
  for (uint32_t g = 0; g < groups; ++g) {
    std::byte* page = kv_.Pages(
        place.session, unit.kv_stream + g)[place.position / kKvPagePositions];
    kernels::StoreKeyAndValue(
        kernels_, KvShapeOf(spec), place.position % kKvPagePositions,
        key + g * spec.key_dim, value + g * spec.value_dim, page);
  }
}

kernels::KvShape UnitCompute::KvShapeOf(const AttentionSpec& spec) const {
  return {options_.kv_type, spec.key_dim, spec.value_dim};
}

void UnitCompute::RunAttention(const AttentionSpec& spec,
                               std::span<const UnitView> units,
                               const Tile& tile) {
  const uint32_t heads_per_group = spec.head_count / spec.kv_head_count;
  uint32_t groups = 0;
  for (const UnitView& unit : units) groups += unit.layout->count;
  // The queries of a group, in the order of tokens and then heads, are cut
  // into tasks. Where the cuts lie does not show in the results.
  const uint32_t group_queries = tile.count * heads_per_group;
  uint32_t task_queries = kAttentionQueriesMax;
  const auto tasks = [&] {
    return (group_queries + task_queries - 1) / task_queries;
  };
  while (task_queries > kTaskQueriesMin &&
         groups * tasks() < kTasksPerMember * team_.member_count()) {
    task_queries /= 2;
  }
  const uint32_t group_tasks = tasks();
  team_.Run(groups * group_tasks, [&](uint32_t task, uint32_t) {
    uint32_t group = task / group_tasks;
    uint32_t u = 0;
    for (; group >= units[u].layout->count; ++u) {
      group -= units[u].layout->count;
    }
    const uint32_t begin = task % group_tasks * task_queries;
    Attend(spec, units[u], ScratchOf(spec, units[u], u, tile), tile, group,
           begin, std::min(begin + task_queries, group_queries));
  });
}

void UnitCompute::Attend(const AttentionSpec& spec, const UnitView& unit,
                         const AttentionScratch& scratch, const Tile& tile,
                         uint32_t group, uint32_t begin, uint32_t end) {
  const uint32_t heads_per_group = spec.head_count / spec.kv_head_count;
  const float* sinks = VectorOf(unit, PartRole::kSinks);
  std::array<kernels::AttentionQuery, kAttentionQueriesMax> queries;
  kernels::AttentionArgs args;
  args.shape = KvShapeOf(spec);
  args.scale = spec.scale;
  args.score_cap = spec.score_cap;
  args.queries = queries.data();
  while (begin < end) {
    // Queries of one session go together.
    const uint32_t session =
        places_[tile.begin + begin / heads_per_group].session;
    args.query_count = 0;
    for (; begin < end; ++begin) {
      const uint32_t token = begin / heads_per_group;
      const TokenPlace& place = places_[tile.begin + token];
      if (place.session != session) break;
      const uint32_t head = group * heads_per_group + begin % heads_per_group;
      const uint64_t row =
          uint64_t{token} * unit.layout->count * heads_per_group + head;
      kernels::AttentionQuery& query = queries[args.query_count++];
      query.query = scratch.query + row * spec.key_dim;
      query.out = scratch.result + row * spec.value_dim;
      query.sink = sinks == nullptr ? nullptr : sinks + head;
      query.end = place.position + 1;
      query.begin = spec.window > 0 && query.end > spec.window
                        ? query.end - spec.window
                        : 0;
    }
    args.pages = kv_.Pages(session, unit.kv_stream + group).data();
    kernels_.attention(args);
  }
}

}  // namespace shoal::model

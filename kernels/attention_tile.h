// Attention for vector instruction sets: the online softmax (arXiv 1805.02867)
// over blocks of 32 positions. Both products, of queries with keys and of
// weights with values, are tiles of [queries, 32] that stay in registers. Where
// the queries make more than one tile, a block is widened to floats once for
// all.
//
// V has the vector operations of one instruction set: a type Float of kLanes
// floats, Load, Store, Set1, Add, Sub, Mul, Div, Max, Fma (a * b + c), Exp,
// SumLanes, MaxLane, AnyAbove (whether a lane of a is not <= that of b),
// FromHalfs (kLanes f16), FromBytes (kLanes int8), and kRows, how many queries
// of a tile fit the registers.
//
// Numerics: a score is one chain of multiply-adds in the order of the elements,
// an element of the result one in the order of positions. Neither depends on
// what else is in the tile.
//
// Static for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_ATTENTION_TILE_H_
#define SHOAL_KERNELS_ATTENTION_TILE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/attention.h"
#include "kernels/attention_rows.h"

namespace shoal::kernels {

// Elements of keys that are widened at a time, at most.
inline constexpr uint32_t kAttentionWidenedRows = 64;
static_assert(kAttentionWidenedRows >= kKvPagePositions);

struct TileExtras {
  // While row k of a factor is multiplied, this line of the next page is
  // fetched into the cache: `ahead + k * ahead_step`.
  const std::byte* ahead;
  uint64_t ahead_step;
  const float* scales;  // of the columns [32]; null: none
};

// c[r][0..31] += sum over k in [begin, end) of a[r][k] * b[k][0..31], times
// scales[0..31] if there are any.
template <typename V, uint32_t R, typename Rows>
static inline void MultiplyRows(const float* const* a, const Rows& b,
                                uint32_t begin, uint32_t end,
                                const TileExtras& extras, float* const* c) {
  constexpr uint32_t kVectors = kAttentionVectors<V>;
  const float* const scales = extras.scales;
  typename V::Float sums[R][kVectors];
  for (uint32_t r = 0; r < R; ++r) {
    for (uint32_t n = 0; n < kVectors; ++n) {
      sums[r][n] =
          scales == nullptr ? V::Load(c[r] + n * V::kLanes) : V::Set1(0.0f);
    }
  }
  for (uint32_t k = begin; k < end; ++k) {
    __builtin_prefetch(extras.ahead + k * extras.ahead_step);
    typename V::Float factors[R];
    for (uint32_t r = 0; r < R; ++r) factors[r] = V::Set1(a[r][k]);
    for (uint32_t n = 0; n < kVectors; ++n) {
      const auto row = b.At(k, n);
      for (uint32_t r = 0; r < R; ++r) {
        sums[r][n] = V::Fma(factors[r], row, sums[r][n]);
      }
    }
  }
  for (uint32_t r = 0; r < R; ++r) {
    for (uint32_t n = 0; n < kVectors; ++n) {
      if (scales != nullptr) {
        sums[r][n] = V::Fma(sums[r][n], V::Load(scales + n * V::kLanes),
                            V::Load(c[r] + n * V::kLanes));
      }
      V::Store(sums[r][n], c[r] + n * V::kLanes);
    }
  }
}

template <typename V, uint32_t R, typename Rows>
static inline void MultiplyRest(uint32_t rows, const float* const* a,
                                const Rows& b, uint32_t begin, uint32_t end,
                                const TileExtras& extras, float* const* c) {
  if constexpr (R > 0) {
    if (rows == R) return MultiplyRows<V, R>(a, b, begin, end, extras, c);
    MultiplyRest<V, R - 1>(rows, a, b, begin, end, extras, c);
  }
}

template <typename V, typename Rows>
static inline void Multiply(uint32_t rows, const float* const* a, const Rows& b,
                            uint32_t begin, uint32_t end,
                            const TileExtras& extras, float* const* c) {
  if (rows <= V::kRows) {
    return MultiplyRest<V, V::kRows>(rows, a, b, begin, end, extras, c);
  }
  uint32_t r = 0;
  for (; r + V::kRows <= rows; r += V::kRows) {
    MultiplyRows<V, V::kRows>(a + r, b, begin, end, extras, c + r);
  }
  MultiplyRest<V, V::kRows - 1>(rows - r, a + r, b, begin, end, extras, c + r);
}

// A query on its way through the blocks.
struct AttentionRow {
  float max;
  float sum;
  // In the block at hand: the positions seen, relative to it, and the factor
  // for what came before.
  uint32_t first;
  uint32_t past;
  float rescale;
};

// Turns the products q . k [32] of a block into weights.
template <typename V>
static inline void TakeScores(const AttentionArgs& args, AttentionRow& row,
                              float* scores) {
  constexpr uint32_t kLanes = V::kLanes;
  constexpr uint32_t kVectors = kAttentionVectors<V>;
  typename V::Float score[kVectors];
  for (uint32_t n = 0; n < kVectors; ++n) {
    score[n] = V::Mul(V::Load(scores + n * kLanes), V::Set1(args.scale));
    if (args.score_cap == 0.0f) continue;
    // tanh(y) = 1 - 2 / (1 + e^(2 y)).
    const auto one = V::Set1(1.0f);
    const auto power = V::Exp(V::Mul(score[n], V::Set1(2.0f / args.score_cap)));
    const auto rest = V::Div(V::Set1(2.0f), V::Add(one, power));
    score[n] = V::Mul(V::Set1(args.score_cap), V::Sub(one, rest));
  }
  if (row.first > 0 || row.past < kAttentionColumns) {
    // What is not seen may be anything, NaN included.
    for (uint32_t n = 0; n < kVectors; ++n) {
      V::Store(score[n], scores + n * kLanes);
    }
    for (uint32_t i = 0; i < row.first; ++i) scores[i] = -__builtin_inff();
    for (uint32_t i = row.past; i < kAttentionColumns; ++i) {
      scores[i] = -__builtin_inff();
    }
    for (uint32_t n = 0; n < kVectors; ++n) {
      score[n] = V::Load(scores + n * kLanes);
    }
  }
  auto largest = score[0];
  for (uint32_t n = 1; n < kVectors; ++n) largest = V::Max(largest, score[n]);
  row.rescale = 1.0f;
  if (V::AnyAbove(largest, V::Set1(row.max))) {
    const float block_max = V::MaxLane(largest);
    float factors[kLanes];
    V::Store(V::Exp(V::Set1(row.max - block_max)), factors);
    row.rescale = factors[0];
    row.max = block_max;
  }
  const auto max = V::Set1(row.max);
  auto sum = V::Set1(0.0f);
  for (uint32_t n = 0; n < kVectors; ++n) {
    const auto weights = V::Exp(V::Sub(score[n], max));
    V::Store(weights, scores + n * kLanes);
    sum = V::Add(sum, weights);
  }
  row.sum = row.sum * row.rescale + V::SumLanes(sum);
}

// The queries of a call, and those of them that see the block at hand.
struct AttentionState {
  AttentionRow rows[kAttentionQueriesMax];
  uint32_t seeing[kAttentionQueriesMax];
  uint32_t seeing_count;
  // Vectors that straddle cache lines take twice the time.
  alignas(64) float scores[kAttentionQueriesMax][kAttentionColumns];
  alignas(64) float scaled[kAttentionQueriesMax][kAttentionColumns];
  alignas(64) float widened[kAttentionWidenedRows * kAttentionColumns];
};

static inline void FindRowsThatSee(const AttentionArgs& args, uint32_t start,
                                   AttentionState& state) {
  state.seeing_count = 0;
  for (uint32_t r = 0; r < args.query_count; ++r) {
    const AttentionQuery& query = args.queries[r];
    if (query.begin >= start + kKvPagePositions || query.end <= start) continue;
    AttentionRow& row = state.rows[r];
    row.first = query.begin > start ? query.begin - start : 0;
    row.past = query.end - start < kKvPagePositions ? query.end - start
                                                    : kKvPagePositions;
    state.seeing[state.seeing_count++] = r;
  }
}

// What a tile reads of what was widened.
template <typename V>
static inline FloatRows<V> WidenedRows(const AttentionState& state) {
  return {reinterpret_cast<const std::byte*>(state.widened),
          kAttentionColumns * sizeof(float)};
}

template <typename V>
static inline void MultiplyKeys(const AttentionArgs& args,
                                const std::byte* page, const std::byte* next,
                                AttentionState& state) {
  const uint32_t rows = state.seeing_count;
  const float* factors[kAttentionQueriesMax];
  float* sums[kAttentionQueriesMax];
  for (uint32_t i = 0; i < rows; ++i) {
    sums[i] = state.scores[i];
    std::memset(sums[i], 0, sizeof(state.scores[i]));
  }
  const uint64_t row_bytes =
      uint64_t{kAttentionColumns} * ElementBytes(args.shape.type);
  ForKeyRows<V>(
      args.shape.type, page, args.shape.key_dim,
      [&](const auto& keys, const float* scales, uint32_t begin,
          uint32_t count) {
        const bool direct = rows <= V::kRows;
        const uint32_t step = direct ? count : kAttentionWidenedRows;
        for (uint32_t k = 0; k < count; k += step) {
          const uint32_t part = count - k < step ? count - k : step;
          const uint32_t d = begin + k;
          for (uint32_t i = 0; i < rows; ++i) {
            factors[i] = args.queries[state.seeing[i]].query + d;
          }
          const TileExtras extras = {next + d * row_bytes, row_bytes, scales};
          if (direct) {
            Multiply<V>(rows, factors, keys, 0, part, extras, sums);
            return;
          }
          Widen<V>(keys, k, k + part, state.widened);
          Multiply<V>(rows, factors, WidenedRows<V>(state), 0, part, extras,
                      sums);
        }
      });
}

// The weights of the queries that see the block, times the values' scales.
template <typename V>
static inline void ScaleWeights(const float* scales, AttentionState& state,
                                const float** weights) {
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    weights[i] = state.scores[i];
    if (scales == nullptr) continue;
    float* to = state.scaled[i];
    for (uint32_t c = 0; c < kAttentionColumns; c += V::kLanes) {
      V::Store(V::Mul(V::Load(state.scores[i] + c), V::Load(scales + c)),
               to + c);
    }
    weights[i] = to;
  }
}

// Adds weights times `values` to the results `to` [32] of the queries that see
// the block.
template <typename V, typename Rows>
static inline void MultiplyValues(const float* const* weights,
                                  const Rows& values, const TileExtras& extras,
                                  AttentionState& state, float* const* to) {
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    // The largest score seldom grows after the first blocks.
    if (state.rows[state.seeing[i]].rescale == 1.0f) continue;
    const auto rescale = V::Set1(state.rows[state.seeing[i]].rescale);
    for (uint32_t c = 0; c < kAttentionColumns; c += V::kLanes) {
      V::Store(V::Mul(V::Load(to[i] + c), rescale), to[i] + c);
    }
  }
  for (uint32_t i = 0; i < state.seeing_count;) {
    // Those that see the same positions go together.
    const AttentionRow& row = state.rows[state.seeing[i]];
    uint32_t end = i + 1;
    while (end < state.seeing_count &&
           state.rows[state.seeing[end]].first == row.first &&
           state.rows[state.seeing[end]].past == row.past) {
      ++end;
    }
    Multiply<V>(end - i, weights + i, values, row.first, row.past, extras,
                to + i);
    i = end;
  }
}

// The columns [begin, begin + 32) of the values, fewer at their end.
template <typename V>
static inline void AddColumns(const AttentionArgs& args, uint32_t begin,
                              const std::byte* values, const std::byte* next,
                              AttentionState& state) {
  const uint32_t dim = args.shape.value_dim;
  const uint32_t columns = dim - begin;
  uint32_t first = kKvPagePositions;
  uint32_t past = 0;
  float* to[kAttentionQueriesMax];
  alignas(64) float parts[kAttentionQueriesMax][kAttentionColumns];
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    const AttentionRow& row = state.rows[state.seeing[i]];
    if (row.first < first) first = row.first;
    if (row.past > past) past = row.past;
    to[i] = args.queries[state.seeing[i]].out + begin;
    if (columns >= kAttentionColumns) continue;
    std::memset(parts[i], 0, sizeof(parts[i]));
    std::memcpy(parts[i], to[i], columns * sizeof(float));
    to[i] = parts[i];
  }
  const uint64_t element = ElementBytes(args.shape.type);
  const TileExtras extras = {next + begin * element, dim * element, nullptr};
  WithValueRows<V>(
      args.shape.type, values, dim, begin, first, past,
      [&](const auto& rows, const float* scales) {
        const float* weights[kAttentionQueriesMax];
        ScaleWeights<V>(scales, state, weights);
        if (state.seeing_count <= V::kRows) {
          return MultiplyValues<V>(weights, rows, extras, state, to);
        }
        Widen<V>(rows, first, past, state.widened + first * kAttentionColumns);
        MultiplyValues<V>(weights, WidenedRows<V>(state), extras, state, to);
      });
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    if (columns >= kAttentionColumns) break;
    std::memcpy(args.queries[state.seeing[i]].out + begin, parts[i],
                columns * sizeof(float));
  }
}

template <typename V>
static inline void RunAttention(const AttentionArgs& args) {
  AttentionState state;
  uint32_t begin = args.queries[0].begin;
  uint32_t end = args.queries[0].end;
  for (uint32_t r = 0; r < args.query_count; ++r) {
    const AttentionQuery& query = args.queries[r];
    std::memset(query.out, 0, args.shape.value_dim * sizeof(float));
    // A sink is a first score whose value is nothing.
    state.rows[r].max = query.sink == nullptr ? -__builtin_inff() : *query.sink;
    state.rows[r].sum = query.sink == nullptr ? 0.0f : 1.0f;
    if (query.begin < begin) begin = query.begin;
    if (query.end > end) end = query.end;
  }
  const uint64_t key_bytes = KvRowsBytes(args.shape.type, args.shape.key_dim);
  const uint32_t last_block = (end - 1) / kKvPagePositions;
  for (uint32_t block = begin / kKvPagePositions; block <= last_block;
       ++block) {
    FindRowsThatSee(args, block * kKvPagePositions, state);
    if (state.seeing_count == 0) continue;
    const std::byte* page = args.pages[block];
    const std::byte* next = block < last_block ? args.pages[block + 1] : page;
    MultiplyKeys<V>(args, page, next, state);
    for (uint32_t i = 0; i < state.seeing_count; ++i) {
      TakeScores<V>(args, state.rows[state.seeing[i]], state.scores[i]);
    }
    for (uint32_t d = 0; d < args.shape.value_dim; d += kAttentionColumns) {
      AddColumns<V>(args, d, page + key_bytes, next + key_bytes, state);
    }
  }
  for (uint32_t r = 0; r < args.query_count; ++r) {
    float* out = args.queries[r].out;
    const float sum = state.rows[r].sum;
    for (uint32_t i = 0; i < args.shape.value_dim; ++i) out[i] /= sum;
  }
}

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ATTENTION_TILE_H_

// Attention for vector instruction sets: the online softmax (arXiv 1805.02867)
// over blocks of 32 positions, each of which is widened to floats once for all
// queries that go together. Both products, of queries with keys and of weights
// with values, are then tiles of [queries, 32] that stay in registers.
//
// V has the vector operations of one instruction set: a type Float of kLanes
// floats, Load, Store, Set1, Add, Sub, Mul, Div, Max, Fma (a * b + c), Exp,
// SumLanes, MaxLane, FromHalfs (kLanes f16), and kRows, how many queries of a
// tile fit the registers.
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

namespace shoal::kernels {

// Columns of all tiles.
inline constexpr uint32_t kAttentionColumns = kKvPagePositions;
// Elements of keys that are widened at a time.
inline constexpr uint32_t kAttentionKeyRows = 64;

static inline uint32_t ElementBytes(KvType type) {
  return type == KvType::kF32 ? 4 : 2;
}

// to[i] for `count` elements, widened.
template <typename V>
static inline void Widen(KvType type, const std::byte* from, uint32_t count,
                         float* to) {
  if (type == KvType::kF32) {
    std::memcpy(to, from, count * sizeof(float));
    return;
  }
  uint32_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    V::Store(V::FromHalfs(from + 2 * i), to + i);
  }
  if (i == count) return;
  std::byte rest[2 * V::kLanes] = {};
  float floats[V::kLanes];
  std::memcpy(rest, from + 2 * i, 2 * (count - i));
  V::Store(V::FromHalfs(rest), floats);
  std::memcpy(to + i, floats, (count - i) * sizeof(float));
}

// c[r][0..31] += sum over k in [begin, end) of a[r][k] * b[k][0..31].
template <typename V, uint32_t R>
static inline void MultiplyRows(const float* const* a, const float* b,
                                uint32_t begin, uint32_t end, float* const* c) {
  constexpr uint32_t kVectors = kAttentionColumns / V::kLanes;
  typename V::Float sums[R][kVectors];
  for (uint32_t r = 0; r < R; ++r) {
    for (uint32_t n = 0; n < kVectors; ++n) {
      sums[r][n] = V::Load(c[r] + n * V::kLanes);
    }
  }
  for (uint32_t k = begin; k < end; ++k) {
    typename V::Float factors[R];
    for (uint32_t r = 0; r < R; ++r) factors[r] = V::Set1(a[r][k]);
    for (uint32_t n = 0; n < kVectors; ++n) {
      const auto row = V::Load(b + k * kAttentionColumns + n * V::kLanes);
      for (uint32_t r = 0; r < R; ++r) {
        sums[r][n] = V::Fma(factors[r], row, sums[r][n]);
      }
    }
  }
  for (uint32_t r = 0; r < R; ++r) {
    for (uint32_t n = 0; n < kVectors; ++n) {
      V::Store(sums[r][n], c[r] + n * V::kLanes);
    }
  }
}

template <typename V, uint32_t R>
static inline void MultiplyRest(uint32_t rows, const float* const* a,
                                const float* b, uint32_t begin, uint32_t end,
                                float* const* c) {
  if constexpr (R > 0) {
    if (rows == R) return MultiplyRows<V, R>(a, b, begin, end, c);
    MultiplyRest<V, R - 1>(rows, a, b, begin, end, c);
  }
}

template <typename V>
static inline void Multiply(uint32_t rows, const float* const* a,
                            const float* b, uint32_t begin, uint32_t end,
                            float* const* c) {
  uint32_t r = 0;
  for (; r + V::kRows <= rows; r += V::kRows) {
    MultiplyRows<V, V::kRows>(a + r, b, begin, end, c + r);
  }
  MultiplyRest<V, V::kRows - 1>(rows - r, a + r, b, begin, end, c + r);
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
  for (uint32_t i = 0; i < kAttentionColumns; i += kLanes) {
    auto score = V::Mul(V::Load(scores + i), V::Set1(args.scale));
    if (args.score_cap != 0.0f) {
      // tanh(y) = 1 - 2 / (1 + e^(2 y)).
      const auto one = V::Set1(1.0f);
      const auto power = V::Exp(V::Mul(score, V::Set1(2.0f / args.score_cap)));
      const auto rest = V::Div(V::Set1(2.0f), V::Add(one, power));
      score = V::Mul(V::Set1(args.score_cap), V::Sub(one, rest));
    }
    V::Store(score, scores + i);
  }
  // What is not seen may be anything, NaN included.
  for (uint32_t i = 0; i < row.first; ++i) scores[i] = -__builtin_inff();
  for (uint32_t i = row.past; i < kAttentionColumns; ++i) {
    scores[i] = -__builtin_inff();
  }
  auto largest = V::Load(scores);
  for (uint32_t i = kLanes; i < kAttentionColumns; i += kLanes) {
    largest = V::Max(largest, V::Load(scores + i));
  }
  const float block_max = V::MaxLane(largest);
  row.rescale = 1.0f;
  if (!(block_max <= row.max)) {
    float factors[kLanes];
    V::Store(V::Exp(V::Set1(row.max - block_max)), factors);
    row.rescale = factors[0];
    row.max = block_max;
  }
  const float max = row.max;
  auto sum = V::Set1(0.0f);
  for (uint32_t i = 0; i < kAttentionColumns; i += kLanes) {
    const auto weights = V::Exp(V::Sub(V::Load(scores + i), V::Set1(max)));
    V::Store(weights, scores + i);
    sum = V::Add(sum, weights);
  }
  row.sum = row.sum * row.rescale + V::SumLanes(sum);
}

// The queries of a call, and those of them that see the block at hand.
struct AttentionState {
  AttentionRow rows[kAttentionQueriesMax];
  uint32_t seeing[kAttentionQueriesMax];
  uint32_t seeing_count;
  float scores[kAttentionQueriesMax][kAttentionColumns];
  float widened[kAttentionKeyRows * kAttentionColumns];
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

template <typename V>
static inline void MultiplyKeys(const AttentionArgs& args,
                                const std::byte* page, AttentionState& state) {
  const float* factors[kAttentionQueriesMax];
  float* scores[kAttentionQueriesMax];
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    scores[i] = state.scores[i];
    std::memset(scores[i], 0, sizeof(state.scores[i]));
  }
  const uint64_t row_bytes =
      uint64_t{kAttentionColumns} * ElementBytes(args.shape.type);
  for (uint32_t d = 0; d < args.shape.key_dim; d += kAttentionKeyRows) {
    const uint32_t count = args.shape.key_dim - d < kAttentionKeyRows
                               ? args.shape.key_dim - d
                               : kAttentionKeyRows;
    Widen<V>(args.shape.type, page + d * row_bytes, count * kAttentionColumns,
             state.widened);
    for (uint32_t i = 0; i < state.seeing_count; ++i) {
      factors[i] = args.queries[state.seeing[i]].query + d;
    }
    Multiply<V>(state.seeing_count, factors, state.widened, 0, count, scores);
  }
}

// Adds the values of the columns [begin, begin + columns) to the results.
template <typename V>
static inline void MultiplyValues(const AttentionArgs& args, uint32_t begin,
                                  uint32_t columns, AttentionState& state) {
  const float* weights[kAttentionQueriesMax];
  float* to[kAttentionQueriesMax];
  float parts[kAttentionQueriesMax][kAttentionColumns];
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    weights[i] = state.scores[i];
    float* out = args.queries[state.seeing[i]].out + begin;
    to[i] = out;
    if (columns < kAttentionColumns) {
      std::memcpy(parts[i], out, columns * sizeof(float));
      for (uint32_t c = columns; c < kAttentionColumns; ++c) parts[i][c] = 0;
      to[i] = parts[i];
    }
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
    Multiply<V>(end - i, weights + i, state.widened, row.first, row.past,
                to + i);
    i = end;
  }
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    if (columns == kAttentionColumns) break;
    std::memcpy(args.queries[state.seeing[i]].out + begin, parts[i],
                columns * sizeof(float));
  }
}

template <typename V>
static inline void AddValues(const AttentionArgs& args, const std::byte* values,
                             AttentionState& state) {
  const uint32_t dim = args.shape.value_dim;
  const uint64_t element = ElementBytes(args.shape.type);
  uint32_t first = kKvPagePositions;
  uint32_t past = 0;
  for (uint32_t i = 0; i < state.seeing_count; ++i) {
    const AttentionRow& row = state.rows[state.seeing[i]];
    if (row.first < first) first = row.first;
    if (row.past > past) past = row.past;
  }
  for (uint32_t d = 0; d < dim; d += kAttentionColumns) {
    const uint32_t columns =
        dim - d < kAttentionColumns ? dim - d : kAttentionColumns;
    for (uint32_t slot = first; slot < past; ++slot) {
      float* to = state.widened + slot * kAttentionColumns;
      Widen<V>(args.shape.type, values + (uint64_t{slot} * dim + d) * element,
               columns, to);
      for (uint32_t c = columns; c < kAttentionColumns; ++c) to[c] = 0;
    }
    MultiplyValues<V>(args, d, columns, state);
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
  const uint64_t key_bytes = uint64_t{kKvPagePositions} * args.shape.key_dim *
                             ElementBytes(args.shape.type);
  for (uint32_t block = begin / kKvPagePositions;
       block <= (end - 1) / kKvPagePositions; ++block) {
    FindRowsThatSee(args, block * kKvPagePositions, state);
    if (state.seeing_count == 0) continue;
    MultiplyKeys<V>(args, args.pages[block], state);
    for (uint32_t i = 0; i < state.seeing_count; ++i) {
      TakeScores<V>(args, state.rows[state.seeing[i]], state.scores[i]);
    }
    AddValues<V>(args, args.pages[block] + key_bytes, state);
  }
  for (uint32_t r = 0; r < args.query_count; ++r) {
    float* out = args.queries[r].out;
    const float sum = state.rows[r].sum;
    for (uint32_t i = 0; i < args.shape.value_dim; ++i) out[i] /= sum;
  }
}

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ATTENTION_TILE_H_

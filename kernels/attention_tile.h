// Attention for vector instruction sets: the online softmax (arXiv 1805.02867)
// over blocks of 32 positions, each of which is widened to floats once for all
// queries that go together. Both products, of queries with keys and of weights
// with values, are then tiles of [queries, 32] that stay in registers.
//
// V has the vector operations of one instruction set: a type Float of kLanes
// floats, Load, Store, Set1, Add, Sub, Mul, Div, Max, Fma (a * b + c), Exp,
// SumLanes, MaxLane, FromHalfs (kLanes f16), FromBytes (kLanes int8), and
// kRows, how many queries of a tile fit the registers.
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
  switch (type) {
    case KvType::kF32:
      return 4;
    case KvType::kF16:
      return 2;
    case KvType::kQ8:
      break;
  }
  return 1;
}

// to[i] for `count` elements, widened; not for kQ8.
template <typename V>
static inline void WidenFloats(KvType type, const std::byte* from,
                               uint32_t count, float* to) {
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

// Rows [begin, begin + count) of keys [dim, 32], which lie across, widened.
// REQUIRES: begin % kKvBlockElements == 0.
template <typename V>
static inline void WidenKeys(KvType type, const std::byte* keys, uint32_t dim,
                             uint32_t begin, uint32_t count, float* to) {
  constexpr uint32_t kVectors = kAttentionColumns / V::kLanes;
  const std::byte* from =
      keys + uint64_t{begin} * kAttentionColumns * ElementBytes(type);
  if (type != KvType::kQ8) {
    WidenFloats<V>(type, from, count * kAttentionColumns, to);
    return;
  }
  const std::byte* scales = keys + uint64_t{dim} * kAttentionColumns +
                            begin / kKvBlockElements * kAttentionColumns * 2;
  for (uint32_t i = 0; i < count; scales += 2 * kAttentionColumns) {
    typename V::Float scale[kVectors];
    for (uint32_t n = 0; n < kVectors; ++n) {
      scale[n] = V::FromHalfs(scales + 2 * n * V::kLanes);
    }
    const uint32_t end =
        count - i < kKvBlockElements ? count : i + kKvBlockElements;
    for (; i < end; ++i) {
      for (uint32_t n = 0; n < kVectors; ++n) {
        const uint32_t at = i * kAttentionColumns + n * V::kLanes;
        V::Store(V::Mul(V::FromBytes(from + at), scale[n]), to + at);
      }
    }
  }
}

// 32 elements that lie along.
template <typename V>
static inline void WidenRow(KvType type, const std::byte* from, float scale,
                            float* to) {
  if (type == KvType::kF32) {
    std::memcpy(to, from, kAttentionColumns * sizeof(float));
    return;
  }
  const auto factor = V::Set1(scale);
  for (uint32_t c = 0; c < kAttentionColumns; c += V::kLanes) {
    V::Store(type == KvType::kF16 ? V::FromHalfs(from + 2 * c)
                                  : V::Mul(V::FromBytes(from + c), factor),
             to + c);
  }
}

// The columns [begin, begin + columns) of the slots [first, past) of values
// [32, dim], widened to rows of 32, zeros behind them.
// REQUIRES: begin % kKvBlockElements == 0; columns <= kKvBlockElements.
template <typename V>
static inline void WidenValues(KvType type, const std::byte* values,
                               uint32_t dim, uint32_t begin, uint32_t columns,
                               uint32_t first, uint32_t past, float* to) {
  const uint32_t element = ElementBytes(type);
  const std::byte* from = values + uint64_t{begin} * element;
  const uint64_t stride = uint64_t{dim} * element;
  alignas(64) float scales[kAttentionColumns] = {};
  if (type == KvType::kQ8) {
    WidenFloats<V>(KvType::kF16,
                   values + uint64_t{kKvPagePositions} * dim +
                       begin / kKvBlockElements * kKvPagePositions * 2,
                   kKvPagePositions, scales);
  }
  if (columns < kAttentionColumns) {
    for (uint32_t slot = first; slot < past; ++slot) {
      alignas(64) std::byte row[kAttentionColumns * sizeof(float)] = {};
      std::memcpy(row, from + slot * stride, columns * element);
      WidenRow<V>(type, row, scales[slot], to + slot * kAttentionColumns);
    }
    return;
  }
  if (type == KvType::kF16) {
    for (uint32_t slot = first; slot < past; ++slot) {
      WidenRow<V>(KvType::kF16, from + slot * stride, 0,
                  to + slot * kAttentionColumns);
    }
    return;
  }
  if (type == KvType::kQ8) {
    for (uint32_t slot = first; slot < past; ++slot) {
      WidenRow<V>(KvType::kQ8, from + slot * stride, scales[slot],
                  to + slot * kAttentionColumns);
    }
    return;
  }
  for (uint32_t slot = first; slot < past; ++slot) {
    WidenRow<V>(KvType::kF32, from + slot * stride, 0,
                to + slot * kAttentionColumns);
  }
}

// What the next page is fetched into the cache from while the processor
// multiplies: for row k of a factor, the line at `from + k * step`.
struct Ahead {
  const std::byte* from;
  uint64_t step;
};

// c[r][0..31] += sum over k in [begin, end) of a[r][k] * b[k][0..31].
template <typename V, uint32_t R>
static inline void MultiplyRows(const float* const* a, const float* b,
                                uint32_t begin, uint32_t end, Ahead ahead,
                                float* const* c) {
  constexpr uint32_t kVectors = kAttentionColumns / V::kLanes;
  typename V::Float sums[R][kVectors];
  for (uint32_t r = 0; r < R; ++r) {
    for (uint32_t n = 0; n < kVectors; ++n) {
      sums[r][n] = V::Load(c[r] + n * V::kLanes);
    }
  }
  for (uint32_t k = begin; k < end; ++k) {
    __builtin_prefetch(ahead.from + k * ahead.step);
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
                                Ahead ahead, float* const* c) {
  if constexpr (R > 0) {
    if (rows == R) return MultiplyRows<V, R>(a, b, begin, end, ahead, c);
    MultiplyRest<V, R - 1>(rows, a, b, begin, end, ahead, c);
  }
}

template <typename V>
static inline void Multiply(uint32_t rows, const float* const* a,
                            const float* b, uint32_t begin, uint32_t end,
                            Ahead ahead, float* const* c) {
  uint32_t r = 0;
  for (; r + V::kRows <= rows; r += V::kRows) {
    MultiplyRows<V, V::kRows>(a + r, b, begin, end, ahead, c + r);
  }
  MultiplyRest<V, V::kRows - 1>(rows - r, a + r, b, begin, end, ahead, c + r);
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
  // Vectors that straddle cache lines take twice the time.
  alignas(64) float scores[kAttentionQueriesMax][kAttentionColumns];
  alignas(64) float widened[kAttentionKeyRows * kAttentionColumns];
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
                                const std::byte* page, const std::byte* next,
                                AttentionState& state) {
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
    WidenKeys<V>(args.shape.type, page, args.shape.key_dim, d, count,
                 state.widened);
    for (uint32_t i = 0; i < state.seeing_count; ++i) {
      factors[i] = args.queries[state.seeing[i]].query + d;
    }
    Multiply<V>(state.seeing_count, factors, state.widened, 0, count,
                {next + d * row_bytes, row_bytes}, scores);
  }
}

// Adds the values of the columns [begin, begin + columns) to the results.
template <typename V>
static inline void MultiplyValues(const AttentionArgs& args, uint32_t begin,
                                  uint32_t columns, Ahead ahead,
                                  AttentionState& state) {
  const float* weights[kAttentionQueriesMax];
  float* to[kAttentionQueriesMax];
  alignas(64) float parts[kAttentionQueriesMax][kAttentionColumns];
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
    Multiply<V>(end - i, weights + i, state.widened, row.first, row.past, ahead,
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
                             const std::byte* next, AttentionState& state) {
  const uint32_t element = ElementBytes(args.shape.type);
  const uint32_t dim = args.shape.value_dim;
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
    WidenValues<V>(args.shape.type, values, dim, d, columns, first, past,
                   state.widened);
    MultiplyValues<V>(args, d, columns,
                      {next + d * element, uint64_t{dim} * element}, state);
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
    AddValues<V>(args, page + key_bytes, next + key_bytes, state);
  }
  for (uint32_t r = 0; r < args.query_count; ++r) {
    float* out = args.queries[r].out;
    const float sum = state.rows[r].sum;
    for (uint32_t i = 0; i < args.shape.value_dim; ++i) out[i] /= sum;
  }
}

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ATTENTION_TILE_H_

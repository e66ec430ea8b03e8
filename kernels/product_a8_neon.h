// The products with a8 activations for all of NEON: what product_a8_neon.cc,
// product_a8_neon_dotprod.cc and product_a8_neon_i8mm.cc, each compiled for its
// own extension, make of their dot products and of product_traits_neon.h.
// Unnamed namespace: each of them needs instances of its own.
//
// A vector holds one word (4 quants) of each of 4 rows. A token meets a part of
// 32 elements with exact integer sums, then one float multiply-add (and one for
// the minimum), parts in order. These operations are the same in every template
// instance and for every extension, so that an element's bits depend neither on
// how many tokens go together nor on the extension.
//
// A class D says how the integers are summed. It has
//   kTokens     tokens that share a vector of sums: 1 (which has the 4 rows of
//               the quarter) or 2, a and b (rows 0 0 1 1 in an even vector,
//               2 2 3 3 in an odd one, of tokens a b a b)
//   kTokensMax  tokens that go together if there are so many
//   Operands<T>(quants, stride)  the activations of T tokens for a part
//   AddHalf<kHalf, kSumWords, T>(quants, operands, sums)  adds the products of
//               half a part, words 4 kHalf .. 4 kHalf + 3, to the T vectors of
//               sums; kSumWords (4 or 2) as in product_traits_neon.h
//   AddAll<T>(quants, operands, sums)  likewise of a part, kSumWords being 8

#ifndef SHOAL_KERNELS_PRODUCT_A8_NEON_H_
#define SHOAL_KERNELS_PRODUCT_A8_NEON_H_

#include "kernels/product_traits_k_neon.h"
#include "kernels/tile.h"

namespace shoal::kernels::neon {
namespace {

// The activations of a few tokens, from one block of 32 on.
struct A8Tokens {
  const int8_t* quants;
  const float* scales;
  const int16_t* sums;  // two for a block
  uint64_t cols;
  uint64_t blocks;

  A8Tokens From(uint64_t block) const {
    return {quants + block * kA8BlockElements, scales + block, sums + 2 * block,
            cols, blocks};
  }
  float ScaleOf(int token) const { return scales[token * blocks]; }
  int32_t SumOf(int token, int half) const {
    return sums[2 * token * blocks + half];
  }
};

// Numbers of 4 rows, as vector i of D has its rows.
template <typename D>
[[gnu::always_inline]] inline float32x4_t RowsOf(float32x4_t rows, int i) {
  if constexpr (D::kTokens == 1) return rows;
  return i % 2 == 0 ? vzip1q_f32(rows, rows) : vzip2q_f32(rows, rows);
}

template <typename D>
[[gnu::always_inline]] inline int32x4_t RowsOf(int32x4_t rows, int i) {
  if constexpr (D::kTokens == 1) return rows;
  return i % 2 == 0 ? vzip1q_s32(rows, rows) : vzip2q_s32(rows, rows);
}

// Numbers of T tokens, as vector i of D has its tokens.
template <typename D>
[[gnu::always_inline]] inline float32x4_t TokensOf(const float* values, int i) {
  if constexpr (D::kTokens == 1) return vdupq_n_f32(values[i]);
  const float32x2_t pair = vld1_f32(values + i / 2 * 2);
  return vcombine_f32(pair, pair);
}

template <typename D>
[[gnu::always_inline]] inline int32x4_t TokensOf(const int32_t* values, int i) {
  if constexpr (D::kTokens == 1) return vdupq_n_s32(values[i]);
  const int32x2_t pair = vld1_s32(values + i / 2 * 2);
  return vcombine_s32(pair, pair);
}

// The 4 rows of token `token`.
template <typename D, int T>
[[gnu::always_inline]] inline float32x4_t ResultsOf(
    const float32x4_t (&vectors)[T], int token) {
  if constexpr (D::kTokens == 1) {
    return vectors[token];
  } else {
    const float32x4_t first = vectors[token / 2 * 2];
    const float32x4_t second = vectors[token / 2 * 2 + 1];
    return token % 2 == 0 ? vuzp1q_f32(first, second)
                          : vuzp2q_f32(first, second);
  }
}

// What the quarters of a part need of T tokens.
template <typename D, int T>
struct PartInput {
  typename D::template Operands<T> operands;
  float scales[T];
  int32_t half_sums[2][T];
  int32_t sums[T];
  float scaled_sums[T];

  [[gnu::always_inline]] explicit PartInput(const A8Tokens& from)
      : operands(from.quants, from.cols) {
    for (int t = 0; t < T; ++t) {
      scales[t] = from.ScaleOf(t);
      half_sums[0][t] = from.SumOf(t, 0);
      half_sums[1][t] = from.SumOf(t, 1);
      sums[t] = half_sums[0][t] + half_sums[1][t];
      scaled_sums[t] = static_cast<float>(sums[t]) * scales[t];
    }
  }
};

// Sums begin with what takes the offset off: -kOffset times the sum of the
// activations that they will meet.
template <int kOffset, typename D, int T>
[[gnu::always_inline]] inline void BeginSums(const int32_t (&activations)[T],
                                             int32x4_t (&sums)[T]) {
  for (int i = 0; i < T; ++i) {
    if constexpr (kOffset == 0) {
      sums[i] = vdupq_n_s32(0);
    } else {
      sums[i] = vmulq_n_s32(TokensOf<D>(activations, i), -kOffset);
    }
  }
}

// acc += sums * (unit * token scale)
template <typename D, int T>
[[gnu::always_inline]] inline void AddScaled(const int32x4_t (&sums)[T],
                                             float32x4_t unit,
                                             const float (&scales)[T],
                                             float32x4_t (&acc)[T]) {
  for (int i = 0; i < T; ++i) {
    const float32x4_t scale =
        vmulq_f32(RowsOf<D>(unit, i), TokensOf<D>(scales, i));
    acc[i] = vfmaq_f32(acc[i], vcvtq_f32_s32(sums[i]), scale);
  }
}

// One part of a quarter's rows, of a type with one scale for it.
template <typename Blocks, int kSub, typename D, int T>
[[gnu::always_inline]] inline void AddPart(
    const PartQuants& quants, const typename Blocks::Header& header,
    const PartInput<D, T>& input, float32x4_t (&acc)[T]) {
  int32x4_t sums[T];
  BeginSums<Blocks::kOffset, D>(input.sums, sums);
  if constexpr (Blocks::kSumWords == 8) {
    D::template AddAll<T>(quants, input.operands, sums);
  } else {
    D::template AddHalf<0, Blocks::kSumWords, T>(quants, input.operands, sums);
    D::template AddHalf<1, Blocks::kSumWords, T>(quants, input.operands, sums);
  }
  AddScaled<D>(sums, Blocks::template Scale<kSub>(header), input.scales, acc);
  if constexpr (Blocks::kHasMin) {
    const float32x4_t min = Blocks::template Min<kSub>(header);
    for (int i = 0; i < T; ++i) {
      acc[i] = vfmsq_f32(acc[i], RowsOf<D>(min, i),
                         TokensOf<D>(input.scaled_sums, i));
    }
  }
}

// Likewise with two scales, which are integers.
template <typename Blocks, int kSub, typename D, int T>
[[gnu::always_inline]] inline void AddHalves(
    const PartQuants& quants, const typename Blocks::Header& header,
    const PartInput<D, T>& input, float32x4_t (&acc)[T]) {
  int32x4_t first[T], second[T], totals[T];
  constexpr int kShift = Blocks::template kShift<kSub>;
  constexpr int kOffset = Blocks::kOffset << kShift;
  BeginSums<kOffset, D>(input.half_sums[0], first);
  D::template AddHalf<0, Blocks::kSumWords, T>(quants, input.operands, first);
  BeginSums<kOffset, D>(input.half_sums[1], second);
  D::template AddHalf<1, Blocks::kSumWords, T>(quants, input.operands, second);
  const int32x4_t scales[2] = {Blocks::template Scale<kSub, 0>(header),
                               Blocks::template Scale<kSub, 1>(header)};
  for (int i = 0; i < T; ++i) {
    totals[i] = vmlaq_s32(vmulq_s32(first[i], RowsOf<D>(scales[0], i)),
                          second[i], RowsOf<D>(scales[1], i));
  }
  // A power of two: exact.
  constexpr float kUnit = 1.0f / (1 << kShift);
  AddScaled<D>(totals,
               kShift == 0 ? header.factor : vmulq_n_f32(header.factor, kUnit),
               input.scales, acc);
  if constexpr (Blocks::kHasMin) {
    const int32x4_t mins[2] = {Blocks::template Min<kSub, 0>(header),
                               Blocks::template Min<kSub, 1>(header)};
    for (int i = 0; i < T; ++i) {
      totals[i] = vmlaq_s32(
          vmulq_s32(TokensOf<D>(input.half_sums[0], i), RowsOf<D>(mins[0], i)),
          TokensOf<D>(input.half_sums[1], i), RowsOf<D>(mins[1], i));
    }
    AddScaled<D>(totals, vnegq_f32(header.min_factor), input.scales, acc);
  }
}

// Part kSub and the following ones of a group.
template <typename Blocks, int kSub, typename D, int T>
[[gnu::always_inline]] inline void AddGroup(
    const std::byte* block, int group,
    const typename Blocks::Header (&headers)[kQuarters], const A8Tokens& from,
    float32x4_t (&acc)[kQuarters][T]) {
  const PartInput<D, T> input(from);
#pragma GCC unroll 1
  for (int quarter = 0; quarter < kQuarters; ++quarter) {
    PartQuants quants;
    Blocks::template Quants<kSub>(block + 16 * quarter, group, quants);
    if constexpr (Blocks::kScales == 1) {
      AddPart<Blocks, kSub>(quants, headers[quarter], input, acc[quarter]);
    } else {
      AddHalves<Blocks, kSub>(quants, headers[quarter], input, acc[quarter]);
    }
  }
  if constexpr (kSub + 1 < Blocks::kGroup) {
    AddGroup<Blocks, kSub + 1, D>(block, group, headers, from.From(1), acc);
  }
}

// T tokens from `token` on against one tile.
template <typename Blocks, typename D, int T>
void DotTile(const Tile& tile, const ActivationView& input, uint32_t token,
             const ProductOutput& output, std::byte* scratch) {
  const uint64_t blocks = input.cols / kA8BlockElements;
  A8Tokens from = {input.quants + uint64_t{token} * input.cols,
                   input.scales + token * blocks,
                   input.sums + 2 * token * blocks, input.cols, blocks};
  float32x4_t acc[kQuarters][T];
  for (int quarter = 0; quarter < kQuarters; ++quarter) {
    for (int t = 0; t < T; ++t) acc[quarter][t] = vdupq_n_f32(0.0f);
  }
  for (uint64_t block = 0; block < blocks / Blocks::kParts; ++block) {
    const std::byte* data =
        BlockAt(tile, block, 1, Blocks::kBlockBytes, scratch);
    for (int group = 0; group < Blocks::kParts / Blocks::kGroup; ++group) {
      typename Blocks::Header headers[kQuarters];
      for (int quarter = 0; quarter < kQuarters; ++quarter) {
        headers[quarter] = Blocks::ReadHeader(data, group, quarter);
      }
      AddGroup<Blocks, 0, D>(data, group, headers, from, acc);
      from = from.From(Blocks::kGroup);
    }
  }
  for (int t = 0; t < T; ++t) {
    float results[kTileRows];
    for (int quarter = 0; quarter < kQuarters; ++quarter) {
      vst1q_f32(results + 4 * quarter, ResultsOf<D>(acc[quarter], t));
    }
    WriteTile(tile, output, token + t, results);
  }
}

// `Many` sums for Many::kTokensMax and for 2 tokens, `One` for one.
template <typename Blocks, typename Many, typename One>
void Rows(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
          const ActivationView& input, const ProductOutput& output) {
  constexpr int kMax = Many::kTokensMax;
  const TypeEntry& entry = EntryOf(weights.type);
  alignas(64) std::byte scratch[kTileScratchBytes];
  for (uint32_t row = row_begin; row < row_end; row += kTileRows) {
    const Tile tile = TileAt(weights, entry, row, row_end, scratch);
    uint32_t token = 0;
    for (; token + kMax <= input.tokens; token += kMax) {
      DotTile<Blocks, Many, kMax>(tile, input, token, output, scratch);
    }
    for (; token + 2 <= input.tokens; token += 2) {
      DotTile<Blocks, Many, 2>(tile, input, token, output, scratch);
    }
    if (token < input.tokens) {
      DotTile<Blocks, One, 1>(tile, input, token, output, scratch);
    }
  }
}

template <typename Many, typename One>
void ProductOfType(const WeightMatrix& weights, uint32_t row_begin,
                   uint32_t row_end, const ActivationView& input,
                   const ProductOutput& output) {
  const auto rows = [&](auto blocks) {
    Rows<decltype(blocks), Many, One>(weights, row_begin, row_end, input,
                                      output);
  };
  switch (weights.type) {
    case WeightType::kQ4_0:
      return rows(Q4_0Blocks{});
    case WeightType::kQ4_1:
      return rows(Q4_1Blocks{});
    case WeightType::kQ5_0:
      return rows(Q5_0Blocks{});
    case WeightType::kQ5_1:
      return rows(Q5_1Blocks{});
    case WeightType::kQ8_0:
      return rows(Q8_0Blocks{});
    case WeightType::kQ2_K:
      return rows(Q2_KBlocks{});
    case WeightType::kQ3_K:
      return rows(Q3_KBlocks{});
    case WeightType::kQ4_K:
      return rows(Q4_KBlocks{});
    case WeightType::kQ5_K:
      return rows(Q5_KBlocks{});
    case WeightType::kQ6_K:
      return rows(Q6_KBlocks{});
    case WeightType::kIQ4_NL:
      return rows(IQ4_NLBlocks{});
    case WeightType::kIQ4_XS:
      return rows(IQ4_XSBlocks{});
    case WeightType::kMXFP4:
      return rows(MXFP4Blocks{});
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return;  // excluded by CheckProductArguments()
  }
}

}  // namespace
}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_PRODUCT_A8_NEON_H_

// AVX2 products of quantised weights with a8 activations.
//
// A vector holds 4 quants (one word) of each of 8 rows, and meets 4 activations
// of one token in every lane, so each lane sums its own row: exact integers
// within 32 elements, then one float multiply-add for these (and for blocks of
// 256 another), in order. A token's operations are the same in every template
// instance, so its bits do not depend on how many tokens go together.
//
// What limits these loops is the number of instructions, so sums of 16 rows and
// 4 tokens are kept even though the float ones spill, and the loops over words
// are unrolled by 2 only where there are several tokens: in full, GCC 12 loads
// all words first and spills those too (measured: 58 instead of 47 GMAC/s for
// Q4_0).
//
// _mm256_maddubs_epi16 multiplies unsigned by signed bytes and adds two
// products into an i16 with saturation; each kernel says why it cannot
// saturate. Activations are within [-127, 127] (kernels/activations.h).

#include "kernels/product_a8_avx2.h"

#include "kernels/avx2.h"
#include "kernels/isa.h"
#include "kernels/prefetch_x86.h"
#include "kernels/product_types_k_avx2.h"
#include "kernels/tile.h"

namespace shoal::kernels::avx2 {
namespace {

// Quants 0-15 with an offset of 8, which is taken off by the block's sum:
// sum((n - 8) a) = sum(n a) - 8 sum(a). Two products are at most 2 * 15 * 127 =
// 3810 in magnitude. The whole block is summed in i16: each of the two i16 of a
// row takes 16 elements and begins with -4 sum(a). Let P and N be the sums of
// its positive and its negative activations' magnitudes (P + N <= 2032), and S
// the sum of the other i16's activations (|S| <= 2032). What it holds at the
// end is at most 15 P - 4 (P - N + S) <= 11 P + 4 N + 4 |S| <= 30480, and at
// least the negative of that; on the way there it may wrap, which cancels.
struct Q4_0 {
  static constexpr uint32_t kParts = 1;
  static constexpr uint32_t kBlockBytes = 18;

  template <int T>
  static inline void Dot(const std::byte* block, const A8Tokens& input,
                         const Ahead& ahead, Accumulators<T>& acc) {
    ahead.Request(0, kParts, kBlockBytes);
    __m256i sums[T][kHalves];
    for (int t = 0; t < T; ++t) {
      const __m256i offset = _mm256_mullo_epi16(
          _mm256_set1_epi16(input.SumOf(t)), _mm256_set1_epi16(-4));
      for (int h = 0; h < kHalves; ++h) sums[t][h] = offset;
    }
#pragma GCC unroll 2
    for (int w = 0; w < 4; ++w) {
      __m256i low[kHalves], high[kHalves];
      for (int h = 0; h < kHalves; ++h) {
        const __m256i words = LoadWord(block + 32, w, h);
        low[h] = And15(words);
        high[h] = And15(_mm256_srli_epi16(words, 4));
      }
      for (int t = 0; t < T; ++t) {
        const __m256i first = Broadcast4(input.QuantsOf(t) + 4 * w);
        const __m256i second = Broadcast4(input.QuantsOf(t) + 16 + 4 * w);
        for (int h = 0; h < kHalves; ++h) {
          sums[t][h] =
              _mm256_add_epi16(sums[t][h], _mm256_maddubs_epi16(low[h], first));
          sums[t][h] = _mm256_add_epi16(sums[t][h],
                                        _mm256_maddubs_epi16(high[h], second));
        }
      }
    }
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) sums[t][h] = SumPairs(sums[t][h]);
    }
    const __m256 scales[kHalves] = {LoadHalfs(block), LoadHalfs(block + 16)};
    AddScaled<T>(sums, scales, input, acc);
  }
};

// Signed quants: |w| * (a with the sign of w). |w| <= 128, so two products are
// at most 2 * 128 * 127 = 32512 < 32768; more than one word would not fit.
struct Q8_0 {
  static constexpr uint32_t kParts = 1;
  static constexpr uint32_t kBlockBytes = 34;

  template <int T>
  static inline void Dot(const std::byte* block, const A8Tokens& input,
                         const Ahead& ahead, Accumulators<T>& acc) {
    ahead.Request(0, kParts, kBlockBytes);
    __m256i sums[T][kHalves];
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) sums[t][h] = _mm256_setzero_si256();
    }
#pragma GCC unroll 2
    for (int w = 0; w < 8; ++w) {
      __m256i quants[kHalves], sizes[kHalves];
      for (int h = 0; h < kHalves; ++h) {
        quants[h] = LoadWord(block + 32, w, h);
        sizes[h] = _mm256_abs_epi8(quants[h]);
      }
      for (int t = 0; t < T; ++t) {
        const __m256i a = Broadcast4(input.QuantsOf(t) + 4 * w);
        for (int h = 0; h < kHalves; ++h) {
          const __m256i products =
              _mm256_maddubs_epi16(sizes[h], _mm256_sign_epi8(a, quants[h]));
          sums[t][h] = _mm256_add_epi32(sums[t][h], SumPairs(products));
        }
      }
    }
    const __m256 scales[kHalves] = {LoadHalfs(block), LoadHalfs(block + 16)};
    AddScaled<T>(sums, scales, input, acc);
  }
};

// How far ahead of the block that is multiplied memory is asked for, where the
// processor does not follow rows fast enough by itself (prefetch_x86.h).
constexpr uint32_t kPrefetchBytes = 4096;

// T tokens from `token` on against one tile, which is full or not.
template <typename Type, int T, bool kFull>
void DotTile(const Tile& tile, const ActivationView& input, uint32_t token,
             const ProductOutput& output, std::byte* scratch) {
  const uint64_t blocks = input.cols / kA8BlockElements;
  A8Tokens tokens = {input.quants + uint64_t{token} * input.cols,
                     input.scales + token * blocks,
                     input.sums + 2 * token * blocks, input.cols, blocks};
  Accumulators<T> acc;
  for (int t = 0; t < T; ++t) {
    for (int h = 0; h < kHalves; ++h) acc[t][h] = _mm256_setzero_ps();
  }
  const Prefetcher prefetcher(tile, kPrefetchBytes);
  const std::byte* data = tile.data;
  for (uint64_t block = 0; block < blocks / Type::kParts; ++block) {
    if constexpr (kFull) {
      const Ahead ahead = {prefetcher, prefetcher.AheadOf(data), data};
      Type::template Dot<T>(data, tokens, ahead, acc);
      data += Type::kBlockBytes * kTileRows;
    } else {
      Type::template Dot<T>(BlockAt(tile, block, 1, Type::kBlockBytes, scratch),
                            tokens, Ahead{prefetcher, nullptr, nullptr}, acc);
    }
    tokens = tokens.From(Type::kParts);
  }
  for (int t = 0; t < T; ++t) {
    alignas(32) float results[kTileRows];
    _mm256_store_ps(results, acc[t][0]);
    _mm256_store_ps(results + 8, acc[t][1]);
    WriteTile(tile, output, token + t, results);
  }
}

template <typename Type, int T>
void DotTile(const Tile& tile, const ActivationView& input, uint32_t token,
             const ProductOutput& output, std::byte* scratch) {
  if (tile.rows == kTileRows) {
    DotTile<Type, T, true>(tile, input, token, output, scratch);
  } else {
    DotTile<Type, T, false>(tile, input, token, output, scratch);
  }
}

template <typename Type>
void Rows(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
          const ActivationView& input, const ProductOutput& output) {
  const TypeEntry& entry = EntryOf(weights.type);
  alignas(64) std::byte scratch[kTileScratchBytes];
  for (uint32_t row = row_begin; row < row_end; row += kTileRows) {
    const Tile tile = TileAt(weights, entry, row, row_end, scratch);
    uint32_t token = 0;
    for (; token + 4 <= input.tokens; token += 4) {
      DotTile<Type, 4>(tile, input, token, output, scratch);
    }
    switch (input.tokens - token) {
      case 3:
        DotTile<Type, 3>(tile, input, token, output, scratch);
        break;
      case 2:
        DotTile<Type, 2>(tile, input, token, output, scratch);
        break;
      case 1:
        DotTile<Type, 1>(tile, input, token, output, scratch);
        break;
      default:
        break;
    }
  }
}

}  // namespace

void ProductA8(const WeightMatrix& weights, uint32_t row_begin,
               uint32_t row_end, const ActivationView& input,
               const ProductOutput& output) {
  switch (weights.type) {
    case WeightType::kQ4_0:
      return Rows<Q4_0>(weights, row_begin, row_end, input, output);
    case WeightType::kQ8_0:
      return Rows<Q8_0>(weights, row_begin, row_end, input, output);
    case WeightType::kQ4_K:
      return Rows<ByPairs<Q4_K>>(weights, row_begin, row_end, input, output);
    case WeightType::kQ6_K:
      return Rows<ByPairs<Q6_K>>(weights, row_begin, row_end, input, output);
    case WeightType::kQ4_1:
      return Rows<ByTraits<Q4_1Blocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ5_0:
      return Rows<ByTraits<Q5_0Blocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ5_1:
      return Rows<ByTraits<Q5_1Blocks>>(weights, row_begin, row_end, input,
                                        output);
    case WeightType::kQ2_K:
      return Rows<ByPairs<Q2_K>>(weights, row_begin, row_end, input, output);
    case WeightType::kQ3_K:
      return Rows<ByPairs<Q3_K>>(weights, row_begin, row_end, input, output);
    case WeightType::kQ5_K:
      return Rows<ByPairs<Q5_K>>(weights, row_begin, row_end, input, output);
    case WeightType::kIQ4_NL:
      return Rows<ByTraits<IQ4_NLBlocks>>(weights, row_begin, row_end, input,
                                          output);
    case WeightType::kIQ4_XS:
      return Rows<ByTraits<IQ4_XSBlocks>>(weights, row_begin, row_end, input,
                                          output);
    case WeightType::kMXFP4:
      return Rows<ByTraits<MXFP4Blocks>>(weights, row_begin, row_end, input,
                                         output);
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return;  // excluded by CheckProductArguments()
  }
}

}  // namespace shoal::kernels::avx2

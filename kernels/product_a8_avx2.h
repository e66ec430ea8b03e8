// What the AVX2 products with a8 activations share, and those of the types that
// product_traits_avx2.h describes. For files compiled with AVX2 only; static
// for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_PRODUCT_A8_AVX2_H_
#define SHOAL_KERNELS_PRODUCT_A8_AVX2_H_

#include "kernels/prefetch_x86.h"
#include "kernels/product_traits_avx2.h"
#include "kernels/tile.h"

namespace shoal::kernels::avx2 {
namespace {

// The activations of a few tokens, from one block of 32 on.
struct A8Tokens {
  const int8_t* quants;
  const float* scales;
  const int16_t* sums;
  uint64_t cols;
  uint64_t blocks;

  A8Tokens From(uint64_t block) const {
    return {quants + block * kA8BlockElements, scales + block, sums + 2 * block,
            cols, blocks};
  }
  const int8_t* QuantsOf(int token) const { return quants + token * cols; }
  float ScaleOf(int token) const { return scales[token * blocks]; }
  // Of half a block.
  int16_t SumOf(int token, int half) const {
    return sums[2 * token * blocks + half];
  }
  int16_t SumOf(int token) const {
    return static_cast<int16_t>(SumOf(token, 0) + SumOf(token, 1));
  }
  // Those of both halves, in all lanes.
  __m256i PairOfSums(int token) const {
    int32_t pair;
    std::memcpy(&pair, sums + 2 * token * blocks, sizeof(pair));
    return _mm256_set1_epi32(pair);
  }
};

// What to ask for while a block is multiplied, if anything.
struct Ahead {
  const Prefetcher& prefetcher;
  const std::byte* place;  // null: nothing
  const std::byte* block;

  // A part's share of the block, evenly: a burst of requests would keep the
  // core from the loads that it waits for.
  [[gnu::always_inline]] void Request(uint32_t part, uint32_t parts,
                                      uint32_t block_bytes) const {
    if (place == nullptr) return;
    const uint32_t bytes = block_bytes * kTileRows / parts;
    for (uint32_t at = (part * bytes + 63) / 64 * 64; at < (part + 1) * bytes;
         at += 64) {
      prefetcher.Request(place, block, at);
    }
  }
};

// Keeps GCC 12 from adding sums up in another order than it is told to, for
// which it makes all their terms first, more than there are registers for.
inline void InOrder(__m256i& sum) { asm("" : "+x"(sum)); }

// One sum for each token and row.
template <int T>
using Accumulators = __m256[T][kHalves];

// Adds the sums of a block, times weight scale and activation scale.
template <int T>
inline void AddScaled(const __m256i (&sums)[T][kHalves],
                      const __m256 (&scales)[kHalves], const A8Tokens& input,
                      Accumulators<T>& acc) {
  for (int t = 0; t < T; ++t) {
    const __m256 activation_scale = _mm256_set1_ps(input.ScaleOf(t));
    for (int h = 0; h < kHalves; ++h) {
      acc[t][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[t][h]),
                                  _mm256_mul_ps(scales[h], activation_scale),
                                  acc[t][h]);
    }
  }
}

// Types with a scale for 32 elements, after product_traits_avx2.h: integer sums
// of a part, then one multiply-add for the scale and one for the minimum.
template <typename Blocks>
struct ByTraits {
  static constexpr uint32_t kParts = Blocks::kParts;
  static constexpr uint32_t kBlockBytes = Blocks::kBlockBytes;
  static_assert(Blocks::kScales == 1 && Blocks::kOffset == 0);

  template <int T>
  static inline void Dot(const std::byte* block, const A8Tokens& input,
                         const Ahead& ahead, Accumulators<T>& acc) {
    if constexpr (T == 1) {
      // Shifts by constants.
#pragma GCC unroll 8
      for (int part = 0; part < static_cast<int>(kParts); ++part) {
        ahead.Request(part, kParts, kBlockBytes);
        AddPart<T>(block, part, input, acc);
      }
    } else {
#pragma GCC unroll 1
      for (int part = 0; part < static_cast<int>(kParts); ++part) {
        ahead.Request(part, kParts, kBlockBytes);
        AddPart<T>(block, part, input, acc);
      }
    }
  }

 private:
  template <int T>
  [[gnu::always_inline]] static inline void AddPart(const std::byte* block,
                                                    int part,
                                                    const A8Tokens& input,
                                                    Accumulators<T>& acc) {
    const A8Tokens from = input.From(part);
    __m256 scales[kHalves], mins[kHalves];
    for (int h = 0; h < kHalves; ++h) {
      Blocks::ReadScales(block, part, h, &scales[h], &mins[h]);
    }
    __m256i sums[T][kHalves];
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) sums[t][h] = _mm256_setzero_si256();
    }
#pragma GCC unroll 8
    for (int w = 0; w < 8; w += Blocks::kSumWords) {
      AddWords<T>(block, part, w, from, sums);
    }
    AddScaled<T>(sums, scales, from, acc);
    if constexpr (Blocks::kHasMin) {
      for (int t = 0; t < T; ++t) {
        const __m256 sum =
            _mm256_set1_ps(static_cast<float>(from.SumOf(t)) * from.ScaleOf(t));
        for (int h = 0; h < kHalves; ++h) {
          acc[t][h] = _mm256_fnmadd_ps(mins[h], sum, acc[t][h]);
        }
      }
    }
  }

  // Adds the products of kSumWords words.
  template <int T>
  [[gnu::always_inline]] static inline void AddWords(
      const std::byte* block, int part, int first, const A8Tokens& input,
      __m256i (&sums)[T][kHalves]) {
    __m256i products[T][kHalves];
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) {
        products[t][h] = _mm256_setzero_si256();
      }
    }
    if constexpr (T == 1) {
      // Shifts by constants.
#pragma GCC unroll 8
      for (int w = first; w < first + Blocks::kSumWords; ++w) {
        AddWord<T>(block, part, w, input, products);
      }
    } else {
#pragma GCC unroll 2
      for (int w = first; w < first + Blocks::kSumWords; ++w) {
        AddWord<T>(block, part, w, input, products);
      }
    }
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) {
        sums[t][h] = _mm256_add_epi32(sums[t][h], SumPairs(products[t][h]));
      }
    }
  }

  template <int T>
  [[gnu::always_inline]] static inline void AddWord(
      const std::byte* block, int part, int word, const A8Tokens& input,
      __m256i (&products)[T][kHalves]) {
    __m256i quants[kHalves], sizes[kHalves];
    for (int h = 0; h < kHalves; ++h) {
      quants[h] = Blocks::Quants(block, part, word, h);
      sizes[h] = Blocks::kSigned ? _mm256_abs_epi8(quants[h]) : quants[h];
    }
    for (int t = 0; t < T; ++t) {
      const __m256i a = Broadcast4(input.QuantsOf(t) + 4 * word);
      for (int h = 0; h < kHalves; ++h) {
        const __m256i factor =
            Blocks::kSigned ? _mm256_sign_epi8(a, quants[h]) : a;
        products[t][h] = _mm256_add_epi16(
            products[t][h], _mm256_maddubs_epi16(sizes[h], factor));
        InOrder(products[t][h]);
      }
    }
  }
};

}  // namespace
}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_PRODUCT_A8_AVX2_H_

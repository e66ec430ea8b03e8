// What the AVX2 products with a8 activations share, and those of the types that
// product_traits_avx2.h describes. For files compiled with AVX2 only; static
// for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_PRODUCT_A8_AVX2_H_
#define SHOAL_KERNELS_PRODUCT_A8_AVX2_H_

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
};

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

// The other types, after product_traits_avx2.h: integer sums of a part, or of
// its halves, then one multiply-add for the scale and one for the minimum.
template <typename Blocks>
struct ByTraits {
  static constexpr uint32_t kParts = Blocks::kParts;
  static constexpr uint32_t kBlockBytes = Blocks::kBlockBytes;
  static constexpr int kWords = 8 / Blocks::kScales;  // under one scale

  template <int T>
  static inline void Dot(const std::byte* block, const A8Tokens& input,
                         Accumulators<T>& acc) {
    if constexpr (T == 1) {
      // Shifts by constants, and words that parts share are read once.
#pragma GCC unroll 8
      for (int part = 0; part < static_cast<int>(kParts); ++part) {
        AddPart<T>(block, part, input, acc);
      }
    } else {
#pragma GCC unroll 1
      for (int part = 0; part < static_cast<int>(kParts); ++part) {
        AddPart<T>(block, part, input, acc);
      }
    }
  }

  template <int T>
  static inline __attribute__((always_inline)) void AddPart(
      const std::byte* block, int part, const A8Tokens& input,
      Accumulators<T>& acc) {
    const A8Tokens from = input.From(part);
    __m256 scales[kHalves][2], mins[kHalves][2];
    for (int h = 0; h < kHalves; ++h) {
      Blocks::ReadScales(block, part, h, scales[h], mins[h]);
    }
    for (int k = 0; k < Blocks::kScales; ++k) {
      __m256i sums[T][kHalves];
      for (int t = 0; t < T; ++t) {
        const __m256i offset = _mm256_set1_epi32(
            Blocks::kOffset == 0
                ? 0
                : -Blocks::kOffset * SumUnderScale(from, t, k));
        for (int h = 0; h < kHalves; ++h) sums[t][h] = offset;
      }
      for (int w = 0; w < kWords; w += Blocks::kSumWords) {
        AddWords<T>(block, part, k * kWords + w, from, sums);
      }
      const __m256 part_scales[kHalves] = {scales[0][k], scales[1][k]};
      AddScaled<T>(sums, part_scales, from, acc);
      if constexpr (Blocks::kHasMin) {
        for (int t = 0; t < T; ++t) {
          const __m256 sum = _mm256_set1_ps(
              static_cast<float>(SumUnderScale(from, t, k)) * from.ScaleOf(t));
          for (int h = 0; h < kHalves; ++h) {
            acc[t][h] = _mm256_fnmadd_ps(mins[h][k], sum, acc[t][h]);
          }
        }
      }
    }
  }

  // Adds the products of kSumWords words.
  template <int T>
  static inline void AddWords(const std::byte* block, int part, int first,
                              const A8Tokens& input,
                              __m256i (&sums)[T][kHalves]) {
    __m256i products[T][kHalves];
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) {
        products[t][h] = _mm256_setzero_si256();
      }
    }
#pragma GCC unroll 2
    for (int w = first; w < first + Blocks::kSumWords; ++w) {
      __m256i quants[kHalves], sizes[kHalves];
      for (int h = 0; h < kHalves; ++h) {
        quants[h] = Blocks::Quants(block, part, w, h);
        sizes[h] = Blocks::kSigned ? _mm256_abs_epi8(quants[h]) : quants[h];
      }
      for (int t = 0; t < T; ++t) {
        const __m256i a = Broadcast4(input.QuantsOf(t) + 4 * w);
        for (int h = 0; h < kHalves; ++h) {
          const __m256i factor =
              Blocks::kSigned ? _mm256_sign_epi8(a, quants[h]) : a;
          products[t][h] = _mm256_add_epi16(
              products[t][h], _mm256_maddubs_epi16(sizes[h], factor));
        }
      }
    }
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) {
        sums[t][h] = _mm256_add_epi32(sums[t][h], SumPairs(products[t][h]));
      }
    }
  }

  // Of the activations that meet scale k of a part.
  static inline int SumUnderScale(const A8Tokens& input, int token, int k) {
    return Blocks::kScales == 1 ? input.SumOf(token) : input.SumOf(token, k);
  }
};

}  // namespace
}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_PRODUCT_A8_AVX2_H_

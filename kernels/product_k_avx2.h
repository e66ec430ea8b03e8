// AVX2 products with a8 activations of the types whose blocks of 256 have small
// integers for scales (and minima) and floats for the block. For files compiled
// with AVX2 only; static for the reason given in kernels/tile.h.
//
// The integers are multiplied with sums of 16 bits by the instruction that adds
// these up anyway (madd), so that what is left for floats is one multiply-add a
// part, for its activations' scale, and one a block. What an offset of the
// quants adds is taken off from where those sums begin: they may wrap on the
// way, but what they hold at the end fits, as each type says.
//
// Each type has
//   kBlockBytes
//   kStride     parts p and p + kStride go together: they read the same words
//   kOffset<P>  what is too much in the quants of part P
//   kHalfOfSumFits  whether each i16 of a lane can begin with half of what
//               the offset adds in both, instead of its own
//   kUnit       what the block's float is multiplied with
//   kHasMin     whether the value is scale * quant - min
//   kFloats, kMinFloats  where the f16 of the block are
//   Quants<P>(block, word, half)  elements 4 word .. 4 word + 3 of part P of 8
//               rows, unsigned
//   Factor<P, k>(block, half)  the scale of elements 16 k .. 16 k + 15 of the
//               part, in both i16 of a lane
//   Min<P>(block, half)  the minima of both halves of the part, an i16 each
// Part numbers are template arguments wherever a shift hangs on them, because
// shifts by a number in a register cost twice as much.

#ifndef SHOAL_KERNELS_PRODUCT_K_AVX2_H_
#define SHOAL_KERNELS_PRODUCT_K_AVX2_H_

#include <utility>

#include "kernels/product_a8_avx2.h"
#include "kernels/product_avx2.h"

namespace shoal::kernels::avx2 {
namespace {

// Moves bits to the right, or to the left by a negative number, and keeps those
// that `kMask` has in each byte.
template <int kRight, int kMask>
inline __m256i Bits(__m256i words) {
  const __m256i mask = _mm256_set1_epi8(static_cast<char>(kMask));
  if constexpr (kRight > 0) {
    return _mm256_and_si256(_mm256_srli_epi16(words, kRight), mask);
  } else if constexpr (kRight < 0) {
    return _mm256_and_si256(_mm256_slli_epi16(words, -kRight), mask);
  } else {
    return _mm256_and_si256(words, mask);
  }
}

// Four bytes of each lane, from the lowest: 0 to 3, or -1 for a zero.
template <int k0, int k1, int k2, int k3>
inline __m256i Pick(__m256i words) {
  constexpr auto kFrom = [](int lane, int byte) {
    return static_cast<char>(byte < 0 ? -1 : 4 * lane + byte);
  };
  const __m128i from =
      _mm_setr_epi8(kFrom(0, k0), kFrom(0, k1), kFrom(0, k2), kFrom(0, k3),
                    kFrom(1, k0), kFrom(1, k1), kFrom(1, k2), kFrom(1, k3),
                    kFrom(2, k0), kFrom(2, k1), kFrom(2, k2), kFrom(2, k3),
                    kFrom(3, k0), kFrom(3, k1), kFrom(3, k2), kFrom(3, k3));
  return _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(from));
}
// Bytes of each lane as its two i16.
template <int kLow, int kHigh>
inline __m256i UnsignedPair(__m256i words) {
  return Pick<kLow, -1, kHigh, -1>(words);
}
template <int kLow, int kHigh>
inline __m256i SignedPair(__m256i words) {
  return _mm256_srai_epi16(Pick<-1, kLow, -1, kHigh>(words), 8);
}

template <typename Type>
struct ByPairs {
  static constexpr uint32_t kParts = 8;
  static constexpr uint32_t kBlockBytes = Type::kBlockBytes;

  template <int T>
  static inline void Dot(const std::byte* block, const A8Tokens& input,
                         const Ahead& ahead, Accumulators<T>& acc) {
    Accumulators<T> sums, mins;
    for (int t = 0; t < T; ++t) {
      for (int h = 0; h < kHalves; ++h) {
        sums[t][h] = mins[t][h] = _mm256_setzero_ps();
      }
    }
    AddPairs<T>(block, input, ahead, sums, mins,
                std::make_integer_sequence<int, 4>());
    for (int h = 0; h < kHalves; ++h) {
      const __m256 d = _mm256_mul_ps(LoadHalfs(block + Type::kFloats + 16 * h),
                                     _mm256_set1_ps(Type::kUnit));
      for (int t = 0; t < T; ++t) {
        acc[t][h] = _mm256_fmadd_ps(d, sums[t][h], acc[t][h]);
      }
      if constexpr (Type::kHasMin) {
        const __m256 dmin = LoadHalfs(block + Type::kMinFloats + 16 * h);
        for (int t = 0; t < T; ++t) {
          acc[t][h] = _mm256_fnmadd_ps(dmin, mins[t][h], acc[t][h]);
        }
      }
    }
  }

 private:
  template <int T>
  using Ints = __m256i[T][kHalves];

  template <int T, int... kPair>
  [[gnu::always_inline]] static inline void AddPairs(
      const std::byte* block, const A8Tokens& input, const Ahead& ahead,
      Accumulators<T>& sums, Accumulators<T>& mins,
      std::integer_sequence<int, kPair...>) {
    constexpr int kStride = Type::kStride;
    (AddPair<T, kPair / kStride * 2 * kStride + kPair % kStride>(
         block, input, ahead, sums, mins),
     ...);
  }

  // For one token words are read once for both parts; for several there are
  // not the registers.
  template <int T, int kPart>
  [[gnu::always_inline]] static inline void AddPair(const std::byte* block,
                                                    const A8Tokens& input,
                                                    const Ahead& ahead,
                                                    Accumulators<T>& sums,
                                                    Accumulators<T>& mins) {
    constexpr int kOther = kPart + Type::kStride;
    ahead.Request(kPart, kParts, kBlockBytes);
    ahead.Request(kOther, kParts, kBlockBytes);
    // The other pairs' words stay in memory: GCC 12 would keep copies of them
    // on the stack.
    asm volatile("" : : : "memory");
    if constexpr (T == 1) {
      Ints<T> first, second;
      AddHalf<T, kPart, 0, true>(block, input, first, second);
      AddHalf<T, kPart, 1, true>(block, input, first, second);
      Finish<T, kPart>(block, input, first, sums, mins);
      Finish<T, kOther>(block, input, second, sums, mins);
    } else {
      AddPart<T, kPart>(block, input, sums, mins);
      AddPart<T, kOther>(block, input, sums, mins);
    }
  }

  template <int T, int kPart>
  [[gnu::always_inline]] static inline void AddPart(const std::byte* block,
                                                    const A8Tokens& input,
                                                    Accumulators<T>& sums,
                                                    Accumulators<T>& mins) {
    Ints<T> ints, none;
    AddHalf<T, kPart, 0, false>(block, input, ints, none);
    AddHalf<T, kPart, 1, false>(block, input, ints, none);
    Finish<T, kPart>(block, input, ints, sums, mins);
  }

  // Half k of a part, and of its other if that goes with it, times the scale.
  template <int T, int kPart, int k, bool kBoth>
  [[gnu::always_inline]] static inline void AddHalf(const std::byte* block,
                                                    const A8Tokens& input,
                                                    Ints<T>& ints,
                                                    Ints<T>& other_ints) {
    constexpr int kOther = kPart + Type::kStride;
    Ints<T> products, others;
    Begin<T, kPart, k>(input, products);
    if constexpr (kBoth) Begin<T, kOther, k>(input, others);
#pragma GCC unroll 4
    for (int w = 4 * k; w < 4 * k + 4; ++w) {
      AddWord<T, kPart>(block, w, input, products);
      if constexpr (kBoth) AddWord<T, kOther>(block, w, input, others);
    }
    Scale<T, kPart, k>(block, products, ints);
    if constexpr (kBoth) Scale<T, kOther, k>(block, others, other_ints);
  }

  // What the quants' offset adds is taken off beforehand.
  template <int T, int kPart, int k>
  [[gnu::always_inline]] static inline void Begin(const A8Tokens& input,
                                                  Ints<T>& products) {
    constexpr int kOffset = Type::template kOffset<kPart>;
    const A8Tokens from = input.From(kPart);
    for (int t = 0; t < T; ++t) {
      __m256i start = _mm256_setzero_si256();
      if constexpr (kOffset != 0 && Type::kHalfOfSumFits) {
        start = _mm256_set1_epi16(
            static_cast<int16_t>(-kOffset / 2 * from.SumOf(t, k)));
      } else if constexpr (kOffset != 0) {
        start =
            OffsetOfHalf(from.QuantsOf(t) + 16 * k, _mm256_set1_epi8(kOffset));
      }
      for (int h = 0; h < kHalves; ++h) products[t][h] = start;
    }
  }

  // For each i16 of a lane the sum of the 8 activations that it meets, times
  // the offset, negative.
  [[gnu::always_inline]] static inline __m256i OffsetOfHalf(
      const int8_t* quants, __m256i offset) {
    const __m256i a = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(quants)));
    __m256i sum = _mm256_maddubs_epi16(offset, a);
    sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0x4e));
    sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0xb1));
    return _mm256_sub_epi16(_mm256_setzero_si256(), sum);
  }

  template <int T, int kPart>
  [[gnu::always_inline]] static inline void AddWord(const std::byte* block,
                                                    int word,
                                                    const A8Tokens& input,
                                                    Ints<T>& products) {
    __m256i quants[kHalves];
    for (int h = 0; h < kHalves; ++h) {
      quants[h] = Type::template Quants<kPart>(block, word, h);
    }
    for (int t = 0; t < T; ++t) {
      const __m256i a =
          Broadcast4(input.QuantsOf(t) + kA8BlockElements * kPart + 4 * word);
      for (int h = 0; h < kHalves; ++h) {
        products[t][h] = _mm256_add_epi16(products[t][h],
                                          _mm256_maddubs_epi16(quants[h], a));
        InOrder(products[t][h]);
      }
    }
  }

  template <int T, int kPart, int k>
  [[gnu::always_inline]] static inline void Scale(const std::byte* block,
                                                  const Ints<T>& products,
                                                  Ints<T>& ints) {
    for (int h = 0; h < kHalves; ++h) {
      const __m256i factor = Type::template Factor<kPart, k>(block, h);
      for (int t = 0; t < T; ++t) {
        const __m256i scaled = _mm256_madd_epi16(products[t][h], factor);
        ints[t][h] = k == 0 ? scaled : _mm256_add_epi32(ints[t][h], scaled);
      }
    }
  }

  // The activations' scale.
  template <int T, int kPart>
  [[gnu::always_inline]] static inline void Finish(const std::byte* block,
                                                   const A8Tokens& input,
                                                   const Ints<T>& ints,
                                                   Accumulators<T>& sums,
                                                   Accumulators<T>& mins) {
    const A8Tokens from = input.From(kPart);
    __m256i min[kHalves];
    if constexpr (Type::kHasMin) {
      for (int h = 0; h < kHalves; ++h) {
        min[h] = Type::template Min<kPart>(block, h);
      }
    }
    for (int t = 0; t < T; ++t) {
      const __m256 scale = _mm256_set1_ps(from.ScaleOf(t));
      for (int h = 0; h < kHalves; ++h) {
        sums[t][h] =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(ints[t][h]), scale, sums[t][h]);
        if constexpr (Type::kHasMin) {
          const __m256i scaled = _mm256_madd_epi16(min[h], from.PairOfSums(t));
          mins[t][h] =
              _mm256_fmadd_ps(_mm256_cvtepi32_ps(scaled), scale, mins[t][h]);
        }
      }
    }
  }
};

}  // namespace
}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_PRODUCT_K_AVX2_H_

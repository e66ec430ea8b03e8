// How AVX2 reads the blocks of the types of product_k_avx2.h, 16 rows of them.
// The formats are described in block_decoders.cc. For files compiled with AVX2
// only; static for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_PRODUCT_TYPES_K_AVX2_H_
#define SHOAL_KERNELS_PRODUCT_TYPES_K_AVX2_H_

#include "kernels/product_k_avx2.h"

namespace shoal::kernels::avx2 {
namespace {

// Odd parts stay two bits further up, 4 times too large, and even ones have
// scales 4 times too large instead: that saves a shift of every other word.
// Sums are at most 8 * 12 * 127 = 12192, a part 32 * 3 * 127 * 60 < 2^24.
struct Q2_K {
  static constexpr uint32_t kBlockBytes = 84;
  static constexpr int kStride = 1;
  template <int kPart>
  static constexpr int kOffset = 0;
  static constexpr bool kHalfOfSumFits = true;
  static constexpr float kUnit = 0.25f;
  static constexpr bool kHasMin = true;
  static constexpr int kFloats = 1280, kMinFloats = 1312;

  template <int kPart>
  static __m256i Quants(const std::byte* block, int word, int half) {
    constexpr int kMask = kPart % 2 == 0 ? 0x03 : 0x0c;
    return Bits<kPart % 4 / 2 * 4, kMask>(
        LoadWord(block + 256, kPart / 4 * 8 + word, half));
  }
  template <int kPart, int k>
  static __m256i Factor(const std::byte* block, int half) {
    const __m256i words = LoadWord(block, kPart / 2, half);
    constexpr int kByte = kPart % 2 * 2 + k;
    return UnsignedPair<kByte, kByte>(kPart % 2 == 0 ? Bits<-2, 0x3c>(words)
                                                     : Bits<0, 0x0f>(words));
  }
  template <int kPart>
  static __m256i Min(const std::byte* block, int half) {
    constexpr int kByte = kPart % 2 * 2;
    return UnsignedPair<kByte, kByte + 1>(
        Bits<4, 15>(LoadWord(block, kPart / 2, half)));
  }
};

// As Q2_K, with a third bit for 4 more. Of one i16 let P and N be the sums of
// its positive and its negative activations' magnitudes (P + N <= 8 * 127) and
// S that of the other's activations: it ends at most at 28 P - 8 (P - N + S) <=
// 20 P + 8 N + 8 |S| <= 28448 in magnitude.
struct Q3_K {
  static constexpr uint32_t kBlockBytes = 110;
  static constexpr int kStride = 1;
  template <int kPart>
  static constexpr int kOffset = kPart % 2 == 0 ? 4 : 16;
  static constexpr bool kHalfOfSumFits = true;
  static constexpr float kUnit = 0.25f;
  static constexpr bool kHasMin = false;
  static constexpr int kFloats = 1728;

  template <int kPart>
  static __m256i Quants(const std::byte* block, int word, int half) {
    constexpr int kTo = kPart % 2 == 0 ? 2 : 4;  // of the third bit
    constexpr int kMask = kPart % 2 == 0 ? 0x03 : 0x0c;
    const __m256i low = Bits<kPart % 4 / 2 * 4, kMask>(
        LoadWord(block + 512, kPart / 4 * 8 + word, half));
    const __m256i upper =
        Bits<kPart - kTo, 1 << kTo>(LoadWord(block, word, half));
    return _mm256_or_si256(low, upper);
  }
  template <int kPart, int k>
  static __m256i Factor(const std::byte* block, int half) {
    const std::byte* packed = block + 1536;
    constexpr int kGroup = kPart / 2;  // of 4 scales
    const __m256i low =
        Bits<kGroup / 2 * 4, 15>(LoadWord(packed, kGroup % 2, half));
    const __m256i upper = Bits<2 * kGroup - 4, 0x30>(LoadWord(packed, 2, half));
    const __m256i words = _mm256_or_si256(low, upper);
    constexpr int kByte = kPart % 2 * 2 + k;
    if constexpr (kPart % 2 == 1) {
      return _mm256_sub_epi16(UnsignedPair<kByte, kByte>(words),
                              _mm256_set1_epi16(32));
    }
    return _mm256_sub_epi16(
        UnsignedPair<kByte, kByte>(_mm256_slli_epi16(words, 2)),
        _mm256_set1_epi16(4 * 32));
  }
};

// The 8 scales and minima of Q4_K and Q5_K.
struct SixBits {
  static constexpr int kStride = 1;
  template <int kPart>
  static constexpr int kOffset = 0;
  static constexpr bool kHalfOfSumFits = true;
  static constexpr float kUnit = 1;
  static constexpr bool kHasMin = true;
  static constexpr int kFloats = 0, kMinFloats = 32;

  template <int kPart, int>
  static __m256i Factor(const std::byte* block, int half) {
    return Pair<kPart, 0>(block, half);
  }
  template <int kPart>
  static __m256i Min(const std::byte* block, int half) {
    return Pair<kPart, 1>(block, half);
  }
  // Scale (0) or minimum (1) of a part, in both i16.
  template <int kPart, int kWord>
  static __m256i Pair(const std::byte* block, int half) {
    const __m256i low = LoadWord(block + 64, kWord, half);
    constexpr int kByte = kPart % 4;
    if constexpr (kPart < 4)
      return UnsignedPair<kByte, kByte>(Bits<0, 63>(low));
    const __m256i rest = LoadWord(block + 64, 2, half);
    return UnsignedPair<kByte, kByte>(
        _mm256_or_si256(Bits<4 * kWord, 15>(rest), Bits<2, 48>(low)));
  }
};

// Sums are at most 8 * 15 * 127 = 15240.
struct Q4_K : SixBits {
  static constexpr uint32_t kBlockBytes = 144;

  template <int kPart>
  static __m256i Quants(const std::byte* block, int word, int half) {
    return Bits<kPart % 2 * 4, 15>(
        LoadWord(block + 256, kPart / 2 * 8 + word, half));
  }
};

// Sums are at most 8 * 31 * 127 = 31496.
struct Q5_K : SixBits {
  static constexpr uint32_t kBlockBytes = 176;

  template <int kPart>
  static __m256i Quants(const std::byte* block, int word, int half) {
    return _mm256_or_si256(
        Bits<kPart % 2 * 4, 15>(
            LoadWord(block + 768, kPart / 2 * 8 + word, half)),
        Bits<kPart - 4, 16>(LoadWord(block + 256, word, half)));
  }
};

// Sums end at most at 8 * 32 * 127 = 32512; with scales of magnitude <= 128 a
// part then stays below 2^24, so that the conversion to float is exact.
struct Q6_K {
  static constexpr uint32_t kBlockBytes = 210;
  static constexpr int kStride = 2;
  template <int kPart>
  static constexpr int kOffset = 32;
  static constexpr bool kHalfOfSumFits = false;
  static constexpr float kUnit = 1;
  static constexpr bool kHasMin = false;
  static constexpr int kFloats = kQ6KFactors;

  template <int kPart>
  static __m256i Quants(const std::byte* block, int word, int half) {
    constexpr int kGroup = kPart / 4, kIn = kPart % 4;
    return _mm256_or_si256(Bits<kIn / 2 * 4, 15>(LoadWord(
                               block, kGroup * 16 + kIn % 2 * 8 + word, half)),
                           Bits<2 * kIn - 4, 0x30>(LoadWord(
                               block + kQ6KHighBits, kGroup * 8 + word, half)));
  }
  template <int kPart, int k>
  static __m256i Factor(const std::byte* block, int half) {
    constexpr int kByte = kPart % 2 * 2 + k;
    return SignedPair<kByte, kByte>(
        LoadWord(block + kQ6KScales, kPart / 2, half));
  }
};

}  // namespace
}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_PRODUCT_TYPES_K_AVX2_H_

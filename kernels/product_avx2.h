// Pieces of the AVX2 products. For files compiled with AVX2 only; static for
// the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_PRODUCT_AVX2_H_
#define SHOAL_KERNELS_PRODUCT_AVX2_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace shoal::kernels::avx2 {

// 16 rows are two vectors of 8 lanes of 32 bits.
inline constexpr int kHalves = 2;

static inline __m256i LoadInts(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// 8 f16 as floats.
static inline __m256 LoadHalfs(const std::byte* from) {
  return _mm256_cvtph_ps(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// 4 activations in all 8 lanes.
static inline __m256i Broadcast4(const int8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof(word));
  return _mm256_set1_epi32(word);
}

static inline __m256i And15(__m256i words) {
  return _mm256_and_si256(words, _mm256_set1_epi8(15));
}

// Sums neighbouring i16 into i32.
static inline __m256i SumPairs(__m256i words) {
  return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

// Word `word` (4 bytes a row) of rows 8 half .. 8 half + 7.
static inline __m256i LoadWord(const std::byte* words, int word, int half) {
  return LoadInts(words + word * 64 + half * 32);
}

// Byte `index` of each 32-bit lane, widened.
static inline __m256i ByteOfLane(__m256i words, int index) {
  return _mm256_and_si256(_mm256_srl_epi32(words, _mm_cvtsi32_si128(8 * index)),
                          _mm256_set1_epi32(255));
}

static inline __m256i SignedByteOfLane(__m256i words, int index) {
  const __m256i top =
      _mm256_sll_epi32(words, _mm_cvtsi32_si128(24 - 8 * index));
  return _mm256_srai_epi32(top, 24);
}

// The scale and the minimum of a part of Q4_K or Q5_K, multiplied out, for 8
// rows. type_table.cc tells how the 6-bit numbers are packed.
static inline void ReadQ4KScale(const std::byte* block, int part, int half,
                                __m256& scale, __m256& min) {
  const std::byte* packed = block + 64;
  const __m256i w0 = ByteOfLane(LoadWord(packed, 0, half), part % 4);
  const __m256i w1 = ByteOfLane(LoadWord(packed, 1, half), part % 4);
  const __m256i low6 = _mm256_set1_epi32(63);
  __m256i scale_int = _mm256_and_si256(w0, low6);
  __m256i min_int = _mm256_and_si256(w1, low6);
  if (part >= 4) {
    const __m256i w2 = ByteOfLane(LoadWord(packed, 2, half), part % 4);
    scale_int = _mm256_or_si256(_mm256_and_si256(w2, _mm256_set1_epi32(15)),
                                _mm256_slli_epi32(_mm256_srli_epi32(w0, 6), 4));
    min_int = _mm256_or_si256(_mm256_srli_epi32(w2, 4),
                              _mm256_slli_epi32(_mm256_srli_epi32(w1, 6), 4));
  }
  scale = _mm256_mul_ps(LoadHalfs(block + half * 16),
                        _mm256_cvtepi32_ps(scale_int));
  min = _mm256_mul_ps(LoadHalfs(block + 32 + half * 16),
                      _mm256_cvtepi32_ps(min_int));
}

// A Q6_K block of 16 rows: 32 words of low bits, 16 of high bits, 4 of scales,
// then the f16 factors.
inline constexpr int kQ6KHighBits = 32 * 64;
inline constexpr int kQ6KScales = kQ6KHighBits + 16 * 64;
inline constexpr int kQ6KFactors = kQ6KScales + 4 * 64;

// Quants 4 word .. 4 word + 3 of a part, signed, -32 to 31.
static inline __m256i Q6KQuants(const std::byte* block, int part, int word,
                                int half) {
  const int group = part / 4, p = part % 4;
  const __m128i low_shift = _mm_cvtsi32_si128(p / 2 * 4);
  const __m128i high_shift = _mm_cvtsi32_si128(2 * p);
  const __m256i low = LoadWord(block, group * 16 + p % 2 * 8 + word, half);
  const __m256i high = LoadWord(block + kQ6KHighBits, group * 8 + word, half);
  const __m256i low4 = And15(_mm256_srl_epi32(low, low_shift));
  const __m256i high2 =
      _mm256_and_si256(_mm256_srl_epi32(high, high_shift), _mm256_set1_epi8(3));
  return _mm256_sub_epi8(_mm256_or_si256(low4, _mm256_slli_epi32(high2, 4)),
                         _mm256_set1_epi8(32));
}

// Scale `index` (one per 16 elements) of 8 rows as i32.
static inline __m256i Q6KScale(const std::byte* block, int index, int half) {
  const __m256i words = LoadWord(block + kQ6KScales, index / 4, half);
  return SignedByteOfLane(words, index % 4);
}

}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_PRODUCT_AVX2_H_

// How AVX2 reads the blocks of a tile of 16 rows, for the types whose products
// are written in terms of quants, scales and minima. For files compiled with
// AVX2 only; static for the reason given in kernels/tile.h.
//
// Each type has
//   kParts       parts of 32 elements in a block
//   kBlockBytes
//   kOffset      what to take off the quants
//   kScales      scales of a part: 1, or 2 of 16 elements each
//   kHasMin      whether the value is scale * quant - min
//   Quants(block, part, word, half)  elements 4 word .. 4 word + 3 of 8 rows
//   ReadScales(block, part, half, scales, mins)  kScales of each
// and, where product_a8_avx2.h multiplies (product_k_avx2.h has its own),
//   kSigned      whether quants have a sign
//   kSumWords    words (4 elements) whose products an i16 can sum
// The formats are described in block_decoders.cc.

#ifndef SHOAL_KERNELS_PRODUCT_TRAITS_AVX2_H_
#define SHOAL_KERNELS_PRODUCT_TRAITS_AVX2_H_

#include "kernels/block_decoders.h"
#include "kernels/product_avx2.h"

namespace shoal::kernels::avx2 {

// Elements 4 word .. of 32 in 4 words of nibbles: the first 16 in the low ones.
static inline __m256i NibblesOf(const std::byte* words, int word, int half) {
  const __m256i bytes = LoadWord(words, word % 4, half);
  return And15(_mm256_srl_epi16(bytes, _mm_cvtsi32_si128(word / 4 * 4)));
}

// Bits 4 word .. 4 word + 3 of each lane, as 16 or 0 in the lane's bytes.
static inline __m256i FifthBits(__m256i bits, int word) {
  const int byte = word / 2;
  const __m256i copy = _mm256_add_epi8(
      _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0, 0,
                       0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12),
      _mm256_set1_epi8(static_cast<char>(byte)));
  const __m256i mask = _mm256_set1_epi32(
      word % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010u));
  const __m256i chosen =
      _mm256_and_si256(_mm256_shuffle_epi8(bits, copy), mask);
  return _mm256_and_si256(_mm256_cmpeq_epi8(chosen, mask),
                          _mm256_set1_epi8(16));
}

// The value of each code in a table of 16.
static inline __m256i LookUp(const int8_t (&values)[16], __m256i codes) {
  const __m128i table =
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), codes);
}

// Bits [2 shift, 2 shift + 2) of each byte.
static inline __m256i TwoBits(__m256i bytes, int shift) {
  return _mm256_and_si256(_mm256_srl_epi16(bytes, _mm_cvtsi32_si128(2 * shift)),
                          _mm256_set1_epi8(3));
}

// Bit `index` of each byte, at bit `to`.
static inline __m256i OneBit(__m256i bytes, int index, int to) {
  const __m256i bit = _mm256_and_si256(
      _mm256_srl_epi16(bytes, _mm_cvtsi32_si128(index)), _mm256_set1_epi8(1));
  return _mm256_sll_epi16(bit, _mm_cvtsi32_si128(to));
}

struct Q4_1Blocks {
  static constexpr uint32_t kParts = 1, kBlockBytes = 20;
  static constexpr int kOffset = 0;
  static constexpr bool kSigned = false, kHasMin = true;
  static constexpr int kSumWords = 8, kScales = 1;

  static __m256i Quants(const std::byte* block, int, int word, int half) {
    return NibblesOf(block + 64, word, half);
  }
  static void ReadScales(const std::byte* block, int, int half, __m256* scales,
                         __m256* mins) {
    scales[0] = LoadHalfs(block + half * 16);
    const __m256 added = LoadHalfs(block + 32 + half * 16);
    mins[0] = _mm256_xor_ps(added, _mm256_set1_ps(-0.0f));
  }
};

// Two products are at most 2 * 16 * 127 = 4064, 8 words 32512.
struct Q5_0Blocks {
  static constexpr uint32_t kParts = 1, kBlockBytes = 22;
  static constexpr int kOffset = 0;
  static constexpr bool kSigned = true, kHasMin = false;
  static constexpr int kSumWords = 8, kScales = 1;

  static __m256i Quants(const std::byte* block, int, int word, int half) {
    const __m256i fifths = FifthBits(LoadWord(block + 32, 0, half), word);
    const __m256i nibbles = NibblesOf(block + 96, word, half);
    return _mm256_sub_epi8(_mm256_or_si256(nibbles, fifths),
                           _mm256_set1_epi8(16));
  }
  static void ReadScales(const std::byte* block, int, int half, __m256* scales,
                         __m256*) {
    scales[0] = LoadHalfs(block + half * 16);
  }
};

// Two products are at most 2 * 31 * 127 = 7874, 4 words 31496.
struct Q5_1Blocks {
  static constexpr uint32_t kParts = 1, kBlockBytes = 24;
  static constexpr int kOffset = 0;
  static constexpr bool kSigned = false, kHasMin = true;
  static constexpr int kSumWords = 4, kScales = 1;

  static __m256i Quants(const std::byte* block, int, int word, int half) {
    const __m256i fifths = FifthBits(LoadWord(block + 64, 0, half), word);
    return _mm256_or_si256(NibblesOf(block + 128, word, half), fifths);
  }
  static void ReadScales(const std::byte* block, int part, int half,
                         __m256* scales, __m256* mins) {
    Q4_1Blocks::ReadScales(block, part, half, scales, mins);
  }
};

struct Q2_KBlocks {
  static constexpr uint32_t kParts = 8, kBlockBytes = 84;
  static constexpr int kOffset = 0;
  static constexpr bool kHasMin = true;
  static constexpr int kScales = 2;

  static __m256i Quants(const std::byte* block, int part, int word, int half) {
    const __m256i bytes = LoadWord(block + 256, part / 4 * 8 + word, half);
    return TwoBits(bytes, part % 4);
  }
  static void ReadScales(const std::byte* block, int part, int half,
                         __m256* scales, __m256* mins) {
    const __m256 d = LoadHalfs(block + 1280 + half * 16);
    const __m256 dmin = LoadHalfs(block + 1312 + half * 16);
    const __m256i words = LoadWord(block, part / 2, half);
    for (int k = 0; k < 2; ++k) {
      const __m256i packed = ByteOfLane(words, part % 2 * 2 + k);
      scales[k] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_and_si256(
                                       packed, _mm256_set1_epi32(15))));
      mins[k] =
          _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(_mm256_srli_epi32(packed, 4)));
    }
  }
};

struct Q3_KBlocks {
  static constexpr uint32_t kParts = 8, kBlockBytes = 110;
  static constexpr int kOffset = 4;
  static constexpr bool kHasMin = false;
  static constexpr int kScales = 2;

  static __m256i Quants(const std::byte* block, int part, int word, int half) {
    const __m256i upper = OneBit(LoadWord(block, word, half), part, 2);
    const __m256i low =
        TwoBits(LoadWord(block + 512, part / 4 * 8 + word, half), part % 4);
    return _mm256_or_si256(low, upper);
  }
  static void ReadScales(const std::byte* block, int part, int half,
                         __m256* scales, __m256*) {
    const std::byte* packed = block + 1536;
    const __m256 d = LoadHalfs(block + 1728 + half * 16);
    const int group = part / 2;  // of 4 scales
    const __m128i low_shift = _mm_cvtsi32_si128(group / 2 * 4);
    const __m256i low =
        And15(_mm256_srl_epi16(LoadWord(packed, group % 2, half), low_shift));
    const __m256i upper = TwoBits(LoadWord(packed, 2, half), group);
    const __m256i words =
        _mm256_sub_epi8(_mm256_or_si256(low, _mm256_slli_epi16(upper, 4)),
                        _mm256_set1_epi8(32));
    for (int k = 0; k < 2; ++k) {
      const __m256i scale = SignedByteOfLane(words, part % 2 * 2 + k);
      scales[k] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(scale));
    }
  }
};

struct Q5_KBlocks {
  static constexpr uint32_t kParts = 8, kBlockBytes = 176;
  static constexpr int kOffset = 0;
  static constexpr bool kHasMin = true;
  static constexpr int kScales = 1;

  static __m256i Quants(const std::byte* block, int part, int word, int half) {
    const __m256i fifths = OneBit(LoadWord(block + 256, word, half), part, 4);
    const __m256i bytes = LoadWord(block + 768, part / 2 * 8 + word, half);
    const __m256i nibbles =
        And15(_mm256_srl_epi16(bytes, _mm_cvtsi32_si128(part % 2 * 4)));
    return _mm256_or_si256(nibbles, fifths);
  }
  static void ReadScales(const std::byte* block, int part, int half,
                         __m256* scales, __m256* mins) {
    ReadQ4KScale(block, part, half, scales[0], mins[0]);
  }
};

// Two products are at most 2 * 127 * 127 = 32258: one word.
struct IQ4_NLBlocks {
  static constexpr uint32_t kParts = 1, kBlockBytes = 18;
  static constexpr int kOffset = 0;
  static constexpr bool kSigned = true, kHasMin = false;
  static constexpr int kSumWords = 1, kScales = 1;

  static __m256i Quants(const std::byte* block, int, int word, int half) {
    return LookUp(kIQ4Values, NibblesOf(block + 32, word, half));
  }
  static void ReadScales(const std::byte* block, int, int half, __m256* scales,
                         __m256*) {
    scales[0] = LoadHalfs(block + half * 16);
  }
};

struct IQ4_XSBlocks {
  static constexpr uint32_t kParts = 8, kBlockBytes = 136;
  static constexpr int kOffset = 0;
  static constexpr bool kSigned = true, kHasMin = false;
  static constexpr int kSumWords = 1, kScales = 1;

  static __m256i Quants(const std::byte* block, int part, int word, int half) {
    return LookUp(kIQ4Values, NibblesOf(block + 128 + part * 256, word, half));
  }
  static void ReadScales(const std::byte* block, int part, int half,
                         __m256* scales, __m256*) {
    const __m256i low =
        _mm256_and_si256(_mm256_srl_epi32(LoadWord(block + 64, 0, half),
                                          _mm_cvtsi32_si128(4 * part)),
                         _mm256_set1_epi32(15));
    const __m256i halfs = _mm256_cvtepu16_epi32(_mm_loadu_si128(
        reinterpret_cast<const __m128i*>(block + 32 + half * 16)));
    const __m256i upper =
        _mm256_and_si256(_mm256_srl_epi32(halfs, _mm_cvtsi32_si128(2 * part)),
                         _mm256_set1_epi32(3));
    const __m256i scale =
        _mm256_sub_epi32(_mm256_or_si256(low, _mm256_slli_epi32(upper, 4)),
                         _mm256_set1_epi32(32));
    scales[0] =
        _mm256_mul_ps(LoadHalfs(block + half * 16), _mm256_cvtepi32_ps(scale));
  }
};

// Two products are at most 2 * 12 * 127 = 3048, 8 words 24384.
struct MXFP4Blocks {
  static constexpr uint32_t kParts = 1, kBlockBytes = 17;
  static constexpr int kOffset = 0;
  static constexpr bool kSigned = true, kHasMin = false;
  static constexpr int kSumWords = 8, kScales = 1;

  static __m256i Quants(const std::byte* block, int, int word, int half) {
    return LookUp(kMXFP4Doubles, NibblesOf(block + 16, word, half));
  }
  static void ReadScales(const std::byte* block, int, int half, __m256* scales,
                         __m256*) {
    const __m256i exponent = _mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(block + half * 8)));
    const __m256i normal =
        _mm256_slli_epi32(_mm256_sub_epi32(exponent, _mm256_set1_epi32(1)), 23);
    const __m256i subnormal =
        _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), exponent);
    const __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), exponent);
    scales[0] =
        _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, is_small));
  }
};

}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_PRODUCT_TRAITS_AVX2_H_

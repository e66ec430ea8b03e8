// One vector of 16 lanes for product_vnni.h: AVX-512 with VNNI. For files
// compiled with these only; static for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_VECTOR_AVX512_H_
#define SHOAL_KERNELS_VECTOR_AVX512_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/words_avx512.h"

namespace shoal::kernels {
namespace {

struct Avx512 {
  using Ints = __m512i;  // 16 of 32 bits, one for each row
  using Floats = __m512;

  // The best shape of a matrix product: 2 x 6 integer sums and as many float
  // ones fill the 32 registers, and 12 sums hide the latency of a dot product.
  static constexpr int kTiles = 2;
  static constexpr int kTokens = 6;
  // With two scales a part its first half waits for the second: 3 x 8.
  static constexpr int kTokensOfTwoScales = 4;

  static Ints Load(const std::byte* from) { return _mm512_loadu_si512(from); }
  static void Store(Ints value, std::byte* to) {
    _mm512_storeu_si512(to, value);
  }
  static void StoreInts(Ints value, int32_t* to) {
    _mm512_storeu_si512(to, value);
  }
  static Ints Broadcast(int32_t value) { return _mm512_set1_epi32(value); }
  static Ints BroadcastByte(int value) {
    return _mm512_set1_epi8(static_cast<char>(value));
  }
  static Ints Broadcast4(const int8_t* from) {
    int32_t word;
    std::memcpy(&word, from, sizeof(word));
    return _mm512_set1_epi32(word);
  }
  // sums + the 4 products of each lane, u8 x i8.
  static Ints Dot(Ints sums, Ints bytes, Ints signed_bytes) {
    return _mm512_dpbusd_epi32(sums, bytes, signed_bytes);
  }
  // The same with 4 bytes in all lanes. As one instruction, which GCC 12 does
  // not find by itself.
  static Ints DotBroadcast(Ints sums, Ints bytes, const int8_t* four) {
    struct Four {
      int8_t values[4];
    };
    asm("vpdpbusd %2%{1to16%}, %1, %0"
        : "+v"(sums)
        : "v"(bytes), "m"(*reinterpret_cast<const Four*>(four)));
    return sums;
  }

  // sums[t][n] += the products of kWords words of tile n, tiles 8 words apart,
  // and the words of token t.
  template <int kWords, int T, int N>
  static void AddWords(const std::byte* bytes, const int8_t* quants,
                       uint64_t cols, Ints (&sums)[T][N]) {
    if constexpr (N == 2 && T >= 4) {
      AddWordsAvx512<T, kWords>(bytes, quants, cols, sums);
    } else {
#pragma GCC unroll 8
      for (int w = 0; w < kWords; ++w) {
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) {
          const Ints word = Load(bytes + (8 * n + w) * 64);
#pragma GCC unroll 8
          for (int t = 0; t < T; ++t) {
            sums[t][n] =
                DotBroadcast(sums[t][n], word, quants + t * cols + 4 * w);
          }
        }
      }
    }
  }

  static Ints And(Ints a, Ints b) { return _mm512_and_si512(a, b); }
  static Ints Or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
  static Ints Xor(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
  static Ints AndNot(Ints mask, Ints a) { return _mm512_andnot_si512(mask, a); }
  static Ints Add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints Sub(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static Ints AddBytes(Ints a, Ints b) { return _mm512_add_epi8(a, b); }
  template <int kBits>
  static Ints Right(Ints a) {
    return _mm512_srli_epi32(a, kBits);
  }
  template <int kBits>
  static Ints Left(Ints a) {
    return _mm512_slli_epi32(a, kBits);
  }
  template <int kBits>
  static Ints RightSigned(Ints a) {
    return _mm512_srai_epi32(a, kBits);
  }
  // The byte of `table` [16] at each code.
  static Ints LookUp(const uint8_t* table, Ints codes) {
    const __m128i values =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), codes);
  }
  // Bits [4 nibble, 4 nibble + 4) of each lane, as 16 or 0 in its bytes.
  template <int kNibble>
  static Ints FifthBits(Ints lanes) {
    const Ints copied = _mm512_shuffle_epi8(
        lanes, _mm512_add_epi8(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808,
                                                 0x04040404, 0x00000000),
                               _mm512_set1_epi8(kNibble / 2)));
    const Ints bits = _mm512_set1_epi32(
        kNibble % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010u));
    return _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(copied, bits),
                                 _mm512_set1_epi8(16));
  }

  static Ints Times(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
  // The lower 16 bits of each lane of a, signed, times b. REQUIRES: b is in
  // [0, 2^15).
  static Ints TimesLowHalves(Ints a, Ints b) { return _mm512_madd_epi16(a, b); }
  // The lower 16 bits of the products of 16 bits.
  static Ints TimesHalves(Ints a, Ints b) { return _mm512_mullo_epi16(a, b); }
  // Bits 0-15 of each lane in both its halves, bits 0-7 in its 4 bytes.
  static Ints CopyLowHalf(Ints a) {
    return _mm512_shuffle_epi8(
        a, _mm512_set4_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100));
  }
  static Ints CopyLowByte(Ints a) {
    return _mm512_shuffle_epi8(
        a, _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0x00000000));
  }
  // The sums of 16 pairs of neighbours.
  static Ints SumPairs(const int16_t* from) {
    return _mm512_madd_epi16(_mm512_loadu_si512(from), _mm512_set1_epi16(1));
  }
  static Ints Widen(const int16_t* from) {
    return _mm512_cvtepi16_epi32(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }

  static Ints WidenBytes(const std::byte* from) {
    return _mm512_cvtepu8_epi32(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Ints WidenHalfWords(const std::byte* from) {
    return _mm512_cvtepu16_epi32(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Floats LoadHalfs(const std::byte* from) {
    return _mm512_cvtph_ps(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  // 2^(exponent - 128).
  static Floats HalvedPower(Ints exponent) {
    const Ints normal =
        Left<23>(_mm512_sub_epi32(exponent, _mm512_set1_epi32(1)));
    const Ints subnormal =
        _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), exponent);
    const __mmask16 is_small =
        _mm512_cmplt_epi32_mask(exponent, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(
        _mm512_mask_mov_epi32(normal, is_small, subnormal));
  }

  static Floats LoadFloats(const float* from) { return _mm512_loadu_ps(from); }
  // 8 floats, each twice.
  static Floats LoadTwice(const float* from) {
    return _mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
        _mm512_castps256_ps512(_mm256_loadu_ps(from)));
  }
  static void StoreFloats(Floats value, float* to) {
    _mm512_storeu_ps(to, value);
  }
  static void AddTo(Floats value, float* to) {
    StoreFloats(_mm512_add_ps(LoadFloats(to), value), to);
  }
  static void AddTo(Floats value, double* to) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(value));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(value, 1));
    _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), low));
    _mm512_storeu_pd(to + 8, _mm512_add_pd(_mm512_loadu_pd(to + 8), high));
  }
  static Floats BroadcastFloat(float value) { return _mm512_set1_ps(value); }
  static Floats ToFloats(Ints a) { return _mm512_cvtepi32_ps(a); }
  static Floats Mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats MulAdd(Floats a, Floats b, Floats sum) {
    return _mm512_fmadd_ps(a, b, sum);
  }
  // a * b - c, of the numbers whose bits `a` has.
  static Floats MulBits(Ints a, Floats b, Floats c) {
    return _mm512_fmsub_ps(_mm512_castsi512_ps(a), b, c);
  }
  // a - b, likewise.
  static Floats SubBits(Ints a, Floats b) {
    return _mm512_sub_ps(_mm512_castsi512_ps(a), b);
  }
  static Floats MulSub(Floats a, Floats b, Floats sum) {
    return _mm512_fnmadd_ps(a, b, sum);
  }
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_VECTOR_AVX512_H_

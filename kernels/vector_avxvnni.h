// Two vectors of 8 lanes for product_vnni.h: AVX2 with 256-bit VNNI, as
// AVX-VNNI has it, or AVX-512 VNNI with VL. For files compiled with one of
// these only; static for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_VECTOR_AVXVNNI_H_
#define SHOAL_KERNELS_VECTOR_AVXVNNI_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace shoal::kernels {
namespace {

struct AvxVnni {
  // Of rows 0-7 and 8-15.
  struct Ints {
    __m256i low, high;
  };
  struct Floats {
    __m256 low, high;
  };

  // 4 sums of 2 vectors, weights and activations: 11 of 16 registers.
  static constexpr int kTiles = 1;
  static constexpr int kTokens = 4;
  static constexpr int kTokensOfTwoScales = 4;

  static __m256i LoadHalf(const std::byte* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Ints Load(const std::byte* from) {
    return {LoadHalf(from), LoadHalf(from + 32)};
  }
  static void Store(Ints value, std::byte* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), value.high);
  }
  static void StoreInts(Ints value, int32_t* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 8), value.high);
  }
  static Ints Both(__m256i value) { return {value, value}; }
  static Ints Broadcast(int32_t value) {
    return Both(_mm256_set1_epi32(value));
  }
  static Ints BroadcastByte(int value) {
    return Both(_mm256_set1_epi8(static_cast<char>(value)));
  }
  static Ints Broadcast4(const int8_t* from) {
    int32_t word;
    std::memcpy(&word, from, sizeof(word));
    return Broadcast(word);
  }
  // sums + the 4 products of each lane, u8 x i8.
  static Ints Dot(Ints sums, Ints bytes, Ints signed_bytes) {
    return {_mm256_dpbusd_epi32(sums.low, bytes.low, signed_bytes.low),
            _mm256_dpbusd_epi32(sums.high, bytes.high, signed_bytes.high)};
  }
  static Ints DotBroadcast(Ints sums, Ints bytes, const int8_t* four) {
    return Dot(sums, bytes, Broadcast4(four));
  }

  // sums[t][n] += the products of kWords words of tile n, tiles 8 words apart,
  // and the words of token t.
  template <int kWords, int T, int N>
  static void AddWords(const std::byte* bytes, const int8_t* quants,
                       uint64_t cols, Ints (&sums)[T][N]) {
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

  static Ints And(Ints a, Ints b) {
    return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
  }
  static Ints Or(Ints a, Ints b) {
    return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
  }
  static Ints Xor(Ints a, Ints b) {
    return {_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
  }
  static Ints AndNot(Ints mask, Ints a) {
    return {_mm256_andnot_si256(mask.low, a.low),
            _mm256_andnot_si256(mask.high, a.high)};
  }
  static Ints Add(Ints a, Ints b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
  }
  static Ints AddBytes(Ints a, Ints b) {
    return {_mm256_add_epi8(a.low, b.low), _mm256_add_epi8(a.high, b.high)};
  }
  static Ints Sub(Ints a, Ints b) {
    return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
  }
  template <int kBits>
  static Ints Right(Ints a) {
    return {_mm256_srli_epi32(a.low, kBits), _mm256_srli_epi32(a.high, kBits)};
  }
  template <int kBits>
  static Ints Left(Ints a) {
    return {_mm256_slli_epi32(a.low, kBits), _mm256_slli_epi32(a.high, kBits)};
  }
  template <int kBits>
  static Ints RightSigned(Ints a) {
    return {_mm256_srai_epi32(a.low, kBits), _mm256_srai_epi32(a.high, kBits)};
  }
  // The byte of `table` [16] at each code.
  static Ints LookUp(const uint8_t* table, Ints codes) {
    const __m256i values = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    return {_mm256_shuffle_epi8(values, codes.low),
            _mm256_shuffle_epi8(values, codes.high)};
  }
  // Bits [4 nibble, 4 nibble + 4) of each lane, as 16 or 0 in its bytes.
  template <int kNibble>
  static Ints FifthBits(Ints lanes) {
    return {FifthBitsOfHalf<kNibble>(lanes.low),
            FifthBitsOfHalf<kNibble>(lanes.high)};
  }
  template <int kNibble>
  static __m256i FifthBitsOfHalf(__m256i lanes) {
    const __m256i copied = _mm256_shuffle_epi8(
        lanes,
        _mm256_add_epi8(
            _mm256_setr_epi32(0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c,
                              0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c),
            _mm256_set1_epi8(kNibble / 2)));
    const __m256i bits = _mm256_set1_epi32(
        kNibble % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010u));
    return _mm256_and_si256(
        _mm256_cmpeq_epi8(_mm256_and_si256(copied, bits), bits),
        _mm256_set1_epi8(16));
  }

  static Ints Times(Ints a, Ints b) {
    return {_mm256_mullo_epi32(a.low, b.low),
            _mm256_mullo_epi32(a.high, b.high)};
  }
  // The lower 16 bits of each lane of a, signed, times b. REQUIRES: b is in
  // [0, 2^15).
  static Ints TimesLowHalves(Ints a, Ints b) {
    return {_mm256_madd_epi16(a.low, b.low), _mm256_madd_epi16(a.high, b.high)};
  }
  // The lower 16 bits of the products of 16 bits.
  static Ints TimesHalves(Ints a, Ints b) {
    return {_mm256_mullo_epi16(a.low, b.low),
            _mm256_mullo_epi16(a.high, b.high)};
  }
  // Bits 0-15 of each lane in both its halves, bits 0-7 in its 4 bytes.
  static Ints CopyLowHalf(Ints a) {
    const __m256i from =
        _mm256_setr_epi32(0x01000100, 0x05040504, 0x09080908, 0x0d0c0d0c,
                          0x01000100, 0x05040504, 0x09080908, 0x0d0c0d0c);
    return Shuffle(a, from);
  }
  static Ints CopyLowByte(Ints a) {
    const __m256i from =
        _mm256_setr_epi32(0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c,
                          0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c);
    return Shuffle(a, from);
  }
  static Ints Shuffle(Ints a, __m256i from) {
    return {_mm256_shuffle_epi8(a.low, from),
            _mm256_shuffle_epi8(a.high, from)};
  }
  // The sums of 16 pairs of neighbours.
  static Ints SumPairs(const int16_t* from) {
    const __m256i ones = _mm256_set1_epi16(1);
    const auto* pairs = reinterpret_cast<const __m256i*>(from);
    return {_mm256_madd_epi16(_mm256_loadu_si256(pairs), ones),
            _mm256_madd_epi16(_mm256_loadu_si256(pairs + 1), ones)};
  }
  static Ints Widen(const int16_t* from) {
    const auto* halves = reinterpret_cast<const __m128i*>(from);
    return {_mm256_cvtepi16_epi32(_mm_loadu_si128(halves)),
            _mm256_cvtepi16_epi32(_mm_loadu_si128(halves + 1))};
  }

  static Ints WidenBytes(const std::byte* from) {
    const __m128i bytes =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return {_mm256_cvtepu8_epi32(bytes),
            _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
  }
  static Ints WidenHalfWords(const std::byte* from) {
    const __m256i words = LoadHalf(from);
    return {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)),
            _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1))};
  }
  static Floats LoadHalfs(const std::byte* from) {
    const __m256i words = LoadHalf(from);
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(words)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(words, 1))};
  }
  // 2^(exponent - 128).
  static Floats HalvedPower(Ints exponent) {
    return {HalvedPowerOfHalf(exponent.low), HalvedPowerOfHalf(exponent.high)};
  }
  static __m256 HalvedPowerOfHalf(__m256i exponent) {
    const __m256i normal =
        _mm256_slli_epi32(_mm256_sub_epi32(exponent, _mm256_set1_epi32(1)), 23);
    const __m256i subnormal =
        _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), exponent);
    const __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), exponent);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, is_small));
  }

  static Floats LoadFloats(const float* from) {
    return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
  }
  // 8 floats, each twice.
  static Floats LoadTwice(const float* from) {
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return {_mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                     twice),
            _mm256_permutevar8x32_ps(
                _mm256_castps128_ps256(_mm_loadu_ps(from + 4)), twice)};
  }
  static void StoreFloats(Floats value, float* to) {
    _mm256_storeu_ps(to, value.low);
    _mm256_storeu_ps(to + 8, value.high);
  }
  static void AddTo(Floats value, float* to) {
    const Floats old = LoadFloats(to);
    StoreFloats({_mm256_add_ps(old.low, value.low),
                 _mm256_add_ps(old.high, value.high)},
                to);
  }
  static void AddTo(Floats value, double* to) {
    AddHalfTo(value.low, to);
    AddHalfTo(value.high, to + 8);
  }
  static void AddHalfTo(__m256 value, double* to) {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(value));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(value, 1));
    _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), low));
    _mm256_storeu_pd(to + 4, _mm256_add_pd(_mm256_loadu_pd(to + 4), high));
  }
  static Floats BroadcastFloat(float value) {
    return {_mm256_set1_ps(value), _mm256_set1_ps(value)};
  }
  static Floats ToFloats(Ints a) {
    return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)};
  }
  static Floats Mul(Floats a, Floats b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  static Floats MulAdd(Floats a, Floats b, Floats sum) {
    return {_mm256_fmadd_ps(a.low, b.low, sum.low),
            _mm256_fmadd_ps(a.high, b.high, sum.high)};
  }
  // a * b - c, of the numbers whose bits `a` has.
  static Floats MulBits(Ints a, Floats b, Floats c) {
    return {_mm256_fmsub_ps(_mm256_castsi256_ps(a.low), b.low, c.low),
            _mm256_fmsub_ps(_mm256_castsi256_ps(a.high), b.high, c.high)};
  }
  // a - b, likewise.
  static Floats SubBits(Ints a, Floats b) {
    return {_mm256_sub_ps(_mm256_castsi256_ps(a.low), b.low),
            _mm256_sub_ps(_mm256_castsi256_ps(a.high), b.high)};
  }
  static Floats MulSub(Floats a, Floats b, Floats sum) {
    return {_mm256_fnmadd_ps(a.low, b.low, sum.low),
            _mm256_fnmadd_ps(a.high, b.high, sum.high)};
  }
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_VECTOR_AVXVNNI_H_

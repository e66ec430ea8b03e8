// AVX-512 VNNI: 64 products of bytes are one instruction.

#include <immintrin.h>

#include "kernels/peak_isa.h"

namespace shoal::kernels {
namespace {

constexpr int kSums = 12;

uint64_t TotalOf(const __m512i* sums) {
  uint64_t total = 0;
  for (int i = 0; i < kSums; ++i) {
    alignas(64) uint32_t lanes[16];
    _mm512_store_si512(lanes, sums[i]);
    for (const uint32_t lane : lanes) total += lane;
  }
  return total;
}

// Written as instructions: GCC 12 moves each sum twice a round around the
// intrinsics, which takes longer than the products.
uint64_t IntegerMacs(uint64_t rounds) {
  const __m512i a = _mm512_set1_epi8(1);
  const __m512i b = _mm512_set1_epi8(1);
  const __m512i zero = _mm512_setzero_si512();
  __m512i s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero,
          s6 = zero, s7 = zero, s8 = zero, s9 = zero, s10 = zero, s11 = zero;
  for (uint64_t round = 0; round < rounds; ++round) {
    asm volatile(
        "vpdpbusd %[b], %[a], %[s0]\n\t"
        "vpdpbusd %[b], %[a], %[s1]\n\t"
        "vpdpbusd %[b], %[a], %[s2]\n\t"
        "vpdpbusd %[b], %[a], %[s3]\n\t"
        "vpdpbusd %[b], %[a], %[s4]\n\t"
        "vpdpbusd %[b], %[a], %[s5]\n\t"
        "vpdpbusd %[b], %[a], %[s6]\n\t"
        "vpdpbusd %[b], %[a], %[s7]\n\t"
        "vpdpbusd %[b], %[a], %[s8]\n\t"
        "vpdpbusd %[b], %[a], %[s9]\n\t"
        "vpdpbusd %[b], %[a], %[s10]\n\t"
        "vpdpbusd %[b], %[a], %[s11]\n\t"
        : [s0] "+v"(s0), [s1] "+v"(s1), [s2] "+v"(s2), [s3] "+v"(s3),
          [s4] "+v"(s4), [s5] "+v"(s5), [s6] "+v"(s6), [s7] "+v"(s7),
          [s8] "+v"(s8), [s9] "+v"(s9), [s10] "+v"(s10), [s11] "+v"(s11)
        : [a] "v"(a), [b] "v"(b));
  }
  const __m512i sums[kSums] = {s0, s1, s2, s3, s4,  s5,
                               s6, s7, s8, s9, s10, s11};
  return TotalOf(sums);
}

uint64_t FloatMacs(uint64_t rounds) {
  const __m512 a = _mm512_set1_ps(1.0f);
  const __m512 b = _mm512_set1_ps(1.0f);
  const __m512 zero = _mm512_setzero_ps();
  __m512 s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero,
         s6 = zero, s7 = zero, s8 = zero, s9 = zero, s10 = zero, s11 = zero;
  for (uint64_t round = 0; round < rounds; ++round) {
    asm volatile(
        "vfmadd231ps %[b], %[a], %[s0]\n\t"
        "vfmadd231ps %[b], %[a], %[s1]\n\t"
        "vfmadd231ps %[b], %[a], %[s2]\n\t"
        "vfmadd231ps %[b], %[a], %[s3]\n\t"
        "vfmadd231ps %[b], %[a], %[s4]\n\t"
        "vfmadd231ps %[b], %[a], %[s5]\n\t"
        "vfmadd231ps %[b], %[a], %[s6]\n\t"
        "vfmadd231ps %[b], %[a], %[s7]\n\t"
        "vfmadd231ps %[b], %[a], %[s8]\n\t"
        "vfmadd231ps %[b], %[a], %[s9]\n\t"
        "vfmadd231ps %[b], %[a], %[s10]\n\t"
        "vfmadd231ps %[b], %[a], %[s11]\n\t"
        : [s0] "+v"(s0), [s1] "+v"(s1), [s2] "+v"(s2), [s3] "+v"(s3),
          [s4] "+v"(s4), [s5] "+v"(s5), [s6] "+v"(s6), [s7] "+v"(s7),
          [s8] "+v"(s8), [s9] "+v"(s9), [s10] "+v"(s10), [s11] "+v"(s11)
        : [a] "v"(a), [b] "v"(b));
  }
  const __m512 sums[kSums] = {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11};
  // Without a mask, GCC 12 warns of a register that it does not read.
  __m512i integers[kSums];
  for (int i = 0; i < kSums; ++i)
    integers[i] = _mm512_maskz_cvtps_epi32(0xffff, sums[i]);
  return TotalOf(integers);
}

uint64_t Read(const std::byte* from, uint64_t bytes, uint64_t ahead) {
  constexpr uint64_t kStep = 512;
  __m512i sums[8];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (uint64_t at = 0; at < bytes; at += kStep) {
    for (int i = 0; i < 8; ++i) {
      const std::byte* line = from + at + 64 * i;
      if (ahead > 0) {
        _mm_prefetch(reinterpret_cast<const char*>(line + ahead), _MM_HINT_T0);
      }
      sums[i] = _mm512_add_epi64(sums[i], _mm512_loadu_si512(line));
    }
  }
  for (int i = 1; i < 8; ++i) sums[0] = _mm512_add_epi64(sums[0], sums[i]);
  alignas(64) uint64_t words[8];
  _mm512_store_si512(words, sums[0]);
  uint64_t total = 0;
  for (const uint64_t word : words) total += word;
  return total;
}

}  // namespace

constexpr PeakLoops kPeakAvx512Vnni = {
    .isa = "avx512vnni",
    .integer_macs = IntegerMacs,
    .float_macs = FloatMacs,
    .read = Read,
};

}  // namespace shoal::kernels

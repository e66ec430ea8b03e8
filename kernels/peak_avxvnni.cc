// AVX-VNNI: 32 products of bytes are one instruction.

#include "kernels/peak_avx2.h"
#include "kernels/peak_isa.h"

namespace shoal::kernels {
namespace {

// Written as instructions: see peak_avx512vnni.cc.
uint64_t IntegerMacs(uint64_t rounds) {
  const __m256i a = _mm256_set1_epi8(1);
  const __m256i b = _mm256_set1_epi8(1);
  const __m256i zero = _mm256_setzero_si256();
  __m256i s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero,
          s6 = zero, s7 = zero, s8 = zero, s9 = zero, s10 = zero, s11 = zero;
  for (uint64_t round = 0; round < rounds; ++round) {
    asm volatile(
        "%{vex%} vpdpbusd %[b], %[a], %[s0]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s1]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s2]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s3]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s4]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s5]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s6]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s7]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s8]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s9]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s10]\n\t"
        "%{vex%} vpdpbusd %[b], %[a], %[s11]\n\t"
        : [s0] "+x"(s0), [s1] "+x"(s1), [s2] "+x"(s2), [s3] "+x"(s3),
          [s4] "+x"(s4), [s5] "+x"(s5), [s6] "+x"(s6), [s7] "+x"(s7),
          [s8] "+x"(s8), [s9] "+x"(s9), [s10] "+x"(s10), [s11] "+x"(s11)
        : [a] "x"(a), [b] "x"(b));
  }
  const __m256i sums[avx2::kPeakSums] = {s0, s1, s2, s3, s4,  s5,
                                         s6, s7, s8, s9, s10, s11};
  return avx2::PeakTotal(sums);
}

}  // namespace

constexpr PeakLoops kPeakAvxVnni = {
    .isa = "avxvnni",
    .integer_macs = IntegerMacs,
    .float_macs = avx2::PeakFloatMacs,
    .read = avx2::PeakRead,
};

}  // namespace shoal::kernels

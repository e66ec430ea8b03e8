// AVX2: 32 products of bytes are three instructions.

#include "kernels/peak_avx2.h"

#include "kernels/peak_isa.h"

namespace shoal::kernels {
namespace {

uint64_t IntegerMacs(uint64_t rounds) {
  __m256i a = _mm256_set1_epi8(1);
  const __m256i b = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[avx2::kPeakSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (uint64_t round = 0; round < rounds; ++round) {
    for (__m256i& sum : sums) {
      avx2::Hide(a);
      const __m256i pairs = _mm256_maddubs_epi16(a, b);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  }
  return avx2::PeakTotal(sums);
}

}  // namespace

constexpr PeakLoops kPeakAvx2 = {
    .isa = "avx2",
    .integer_macs = IntegerMacs,
    .float_macs = avx2::PeakFloatMacs,
    .read = avx2::PeakRead,
};

}  // namespace shoal::kernels

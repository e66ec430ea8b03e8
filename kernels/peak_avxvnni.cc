// AVX-VNNI: 32 products of bytes are one instruction.

#include "kernels/peak_avx2.h"
#include "kernels/peak_isa.h"

namespace shoal::kernels {
namespace {

uint64_t IntegerMacs(uint64_t rounds) {
  __m256i a = _mm256_set1_epi8(1);
  const __m256i b = _mm256_set1_epi8(1);
  __m256i sums[avx2::kPeakSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (uint64_t round = 0; round < rounds; ++round) {
    avx2::Hide(a);
    for (__m256i& sum : sums) sum = _mm256_dpbusd_avx_epi32(sum, a, b);
  }
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

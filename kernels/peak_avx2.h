// What the loops for AVX2 and AVX-VNNI share. For files compiled with AVX2
// only; static for the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_PEAK_AVX2_H_
#define SHOAL_KERNELS_PEAK_AVX2_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace shoal::kernels::avx2 {

// Independent sums: the latency of a multiply-add times those begun in a cycle
// is 8 to 10 on the processors that have these instructions.
inline constexpr int kPeakSums = 12;

// Hides that a register stays the same, so that its products are made again.
static inline void Hide(__m256i& lanes) { asm volatile("" : "+x"(lanes)); }
static inline void Hide(__m256& lanes) { asm volatile("" : "+x"(lanes)); }

static inline uint64_t PeakTotal(const __m256i* sums) {
  uint64_t total = 0;
  for (int i = 0; i < kPeakSums; ++i) {
    alignas(32) uint32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums[i]);
    for (const uint32_t lane : lanes) total += lane;
  }
  return total;
}

static inline uint64_t PeakFloatMacs(uint64_t rounds) {
  __m256 a = _mm256_set1_ps(1.0f);
  const __m256 b = _mm256_set1_ps(1.0f);
  __m256 sums[kPeakSums];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (uint64_t round = 0; round < rounds; ++round) {
    Hide(a);
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(a, b, sum);
  }
  __m256i integers[kPeakSums];
  for (int i = 0; i < kPeakSums; ++i) integers[i] = _mm256_cvtps_epi32(sums[i]);
  return PeakTotal(integers);
}

static inline uint64_t PeakRead(const std::byte* from, uint64_t bytes,
                                uint64_t ahead) {
  constexpr uint64_t kStep = 256;
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (uint64_t at = 0; at < bytes; at += kStep) {
    if (ahead > 0) {
      for (uint64_t line = 0; line < kStep; line += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(from + at + ahead + line),
                     _MM_HINT_T0);
      }
    }
    for (int i = 0; i < 8; ++i) {
      const auto* words = reinterpret_cast<const __m256i*>(from + at) + i;
      sums[i] = _mm256_add_epi64(sums[i], _mm256_loadu_si256(words));
    }
  }
  for (int i = 1; i < 8; ++i) sums[0] = _mm256_add_epi64(sums[0], sums[i]);
  alignas(32) uint64_t words[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), sums[0]);
  return words[0] + words[1] + words[2] + words[3];
}

}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_PEAK_AVX2_H_

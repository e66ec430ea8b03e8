// Small float helpers for AVX2 files; static for the reason given in
// kernels/tile.h.

#ifndef SHOAL_KERNELS_MATH_AVX2_H_
#define SHOAL_KERNELS_MATH_AVX2_H_

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace shoal::kernels::avx2 {

// The first `count` (1 to 8) floats, then zeros: tails go through the same
// operations as whole vectors, so that an element's bits do not depend on its
// place.
static inline __m256 LoadUpTo8(const float* from, uint32_t count) {
  if (count >= 8) return _mm256_loadu_ps(from);
  alignas(32) float values[8] = {};
  std::memcpy(values, from, count * sizeof(float));
  return _mm256_load_ps(values);
}

static inline void StoreUpTo8(__m256 values, float* to, uint32_t count) {
  if (count >= 8) {
    _mm256_storeu_ps(to, values);
    return;
  }
  alignas(32) float all[8];
  _mm256_store_ps(all, values);
  std::memcpy(to, all, count * sizeof(float));
}

// The sum of the lanes, in a fixed order.
static inline float SumLanes(__m256 values) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(values),
                          _mm256_extractf128_ps(values, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

static inline float MaxLane(__m256 values) {
  __m128 max = _mm_max_ps(_mm256_castps256_ps128(values),
                          _mm256_extractf128_ps(values, 1));
  max = _mm_max_ps(max, _mm_movehl_ps(max, max));
  max = _mm_max_ss(max, _mm_movehdup_ps(max));
  return _mm_cvtss_f32(max);
}

// e^x within 2 units in the last place; 0 below -87.33 (where results would
// be subnormal), infinity above 88.72, NaN for NaN.
//
// x = n ln 2 + r with |r| <= 0.3466: the Taylor polynomial of degree 7 of e^r
// is off by less than r^8 / 8! = 5.2e-9, a tenth of a unit; then times 2^n, in
// two steps because n may be 128.
static inline __m256 Exp(__m256 x) {
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(0x1.715476p0f)),
                      _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln 2 as the sum of two floats; the first has trailing zeros, so that n
  // times it is exact.
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e4p-1f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.7f7d1cp-20f), r);
  __m256 sum = _mm256_set1_ps(1.0f / 5040);
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 720));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 120));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 24));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 6));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(0.5f));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
  const __m256i exponent = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(exponent, 1);
  const __m256i rest = _mm256_sub_epi32(exponent, half);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
  sum = _mm256_mul_ps(_mm256_mul_ps(sum, _mm256_castsi256_ps(first)),
                      _mm256_castsi256_ps(second));
  const __m256 low = _mm256_cmp_ps(x, _mm256_set1_ps(-87.33f), _CMP_LT_OQ);
  const __m256 high = _mm256_cmp_ps(x, _mm256_set1_ps(88.72f), _CMP_GT_OQ);
  const __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  sum = _mm256_blendv_ps(sum, _mm256_setzero_ps(), low);
  sum = _mm256_blendv_ps(sum, _mm256_set1_ps(__builtin_inff()), high);
  return _mm256_blendv_ps(sum, x, nan);
}

}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_MATH_AVX2_H_

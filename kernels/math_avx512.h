// Functions of 16 floats, for files compiled for AVX-512 (F and DQ). Static for
// the reason given in kernels/tile.h.

#ifndef SHOAL_KERNELS_MATH_AVX512_H_
#define SHOAL_KERNELS_MATH_AVX512_H_

#include <immintrin.h>

namespace shoal::kernels::avx512 {

// As Exp() of math_avx2.h, but for the last step: one instruction multiplies by
// the power of two, and overflows by itself.
static inline __m512 Exp16(__m512 x) {
  __m512 n =
      _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p0f)),
                           _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // Above, the result overflows anyway, and infinity must not become NaN.
  n = _mm512_min_ps(n, _mm512_set1_ps(200.0f));
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), r);
  __m512 sum = _mm512_set1_ps(1.0f / 5040);
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 720));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 120));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 24));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 6));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(0.5f));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f));
  // NaN is not less, and stays.
  const __mmask16 kept =
      _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.33f), _CMP_NLT_UQ);
  return _mm512_maskz_scalef_ps(kept, sum, n);
}

}  // namespace shoal::kernels::avx512

#endif  // SHOAL_KERNELS_MATH_AVX512_H_

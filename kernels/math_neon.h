// Small float helpers for NEON files.

#ifndef SHOAL_KERNELS_MATH_NEON_H_
#define SHOAL_KERNELS_MATH_NEON_H_

#include <arm_neon.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace shoal::kernels::neon {

// The first `count` (1 to 4) floats, then zeros: tails go through the same
// operations as whole vectors, so that an element's bits do not depend on its
// place.
inline float32x4_t LoadUpTo4(const float* from, uint32_t count) {
  if (count >= 4) return vld1q_f32(from);
  float values[4] = {};
  std::memcpy(values, from, count * sizeof(float));
  return vld1q_f32(values);
}

inline void StoreUpTo4(float32x4_t values, float* to, uint32_t count) {
  if (count >= 4) {
    vst1q_f32(to, values);
    return;
  }
  float all[4];
  vst1q_f32(all, values);
  std::memcpy(to, all, count * sizeof(float));
}

// e^x within 2 units in the last place; 0 below -87.33, infinity above 88.72,
// NaN for NaN. The method is that of math_avx2.h.
inline float32x4_t Exp(float32x4_t x) {
  const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 0x1.715476p0f));
  float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0x1.62e4p-1f));
  r = vfmsq_f32(r, n, vdupq_n_f32(0x1.7f7d1cp-20f));
  float32x4_t sum = vdupq_n_f32(1.0f / 5040);
  for (const float coefficient :
       {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    sum = vfmaq_f32(vdupq_n_f32(coefficient), sum, r);
  }
  const int32x4_t exponent = vcvtnq_s32_f32(n);
  const int32x4_t half = vshrq_n_s32(exponent, 1);
  const int32x4_t rest = vsubq_s32(exponent, half);
  const int32x4_t bias = vdupq_n_s32(127);
  const int32x4_t first = vshlq_n_s32(vaddq_s32(half, bias), 23);
  const int32x4_t second = vshlq_n_s32(vaddq_s32(rest, bias), 23);
  sum = vmulq_f32(vmulq_f32(sum, vreinterpretq_f32_s32(first)),
                  vreinterpretq_f32_s32(second));
  const float32x4_t infinity = vdupq_n_f32(__builtin_inff());
  sum = vbslq_f32(vcltq_f32(x, vdupq_n_f32(-87.33f)), vdupq_n_f32(0.0f), sum);
  sum = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(88.72f)), infinity, sum);
  return vbslq_f32(vceqq_f32(x, x), sum, x);
}

}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_MATH_NEON_H_

// NEON functions other than products and attention.

#include "kernels/half.h"
#include "kernels/math_neon.h"
#include "kernels/neon.h"

namespace shoal::kernels::neon {
namespace {

// The largest magnitude of a block as bits, where infinity and NaN are above
// all numbers.
uint32_t MaxBits(const float* values) {
  uint32x4_t max = vdupq_n_u32(0);
  for (int i = 0; i < 8; ++i) {
    const uint32x4_t bits = vreinterpretq_u32_f32(vld1q_f32(values + 4 * i));
    max = vmaxq_u32(max, vandq_u32(bits, vdupq_n_u32(0x7fffffff)));
  }
  return vmaxvq_u32(max);
}

}  // namespace

void EncodeA8(const float* from, uint32_t cols, int8_t* quants, float* scales,
              int16_t* sums) {
  for (uint32_t block = 0; block < cols / kA8BlockElements; ++block) {
    const float* values = from + block * kA8BlockElements;
    int8_t* to = quants + block * kA8BlockElements;
    const uint32_t max_bits = MaxBits(values);
    const float max = FloatFromBits(max_bits);
    if (max_bits >= 0x7f800000u || max < kA8SmallestMax) {
      scales[block] = max < kA8SmallestMax ? 0.0f : __builtin_nanf("");
      sums[2 * block] = sums[2 * block + 1] = 0;
      std::memset(to, 0, kA8BlockElements);
      continue;
    }
    scales[block] = max / 127.0f;
    const float inverse = 127.0f / max;
    int32x4_t half_sums[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int i = 0; i < 32; i += 8) {
      const int32x4_t low =
          vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(values + i), inverse));
      const int32x4_t high =
          vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(values + i + 4), inverse));
      int32x4_t& sum = half_sums[i / 16];
      sum = vaddq_s32(sum, vaddq_s32(low, high));
      vst1_s8(to + i,
              vqmovn_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high))));
    }
    for (int h = 0; h < 2; ++h) {
      sums[2 * block + h] = static_cast<int16_t>(vaddvq_s32(half_sums[h]));
    }
  }
}

void RmsNorm(const float* from, const float* weight, uint32_t count, float eps,
             float* to) {
  float64x2_t sums[2] = {vdupq_n_f64(0.0), vdupq_n_f64(0.0)};
  for (uint32_t i = 0; i < count; i += 4) {
    const float32x4_t values = LoadUpTo4(from + i, count - i);
    const float64x2_t low = vcvt_f64_f32(vget_low_f32(values));
    const float64x2_t high = vcvt_f64_f32(vget_high_f32(values));
    sums[0] = vfmaq_f64(sums[0], low, low);
    sums[1] = vfmaq_f64(sums[1], high, high);
  }
  const double mean = vaddvq_f64(vaddq_f64(sums[0], sums[1])) / count;
  const auto factor =
      static_cast<float>(1.0 / __builtin_sqrt(mean + double{eps}));
  for (uint32_t i = 0; i < count; i += 4) {
    float32x4_t values = vmulq_n_f32(LoadUpTo4(from + i, count - i), factor);
    if (weight != nullptr) {
      values = vmulq_f32(values, LoadUpTo4(weight + i, count - i));
    }
    StoreUpTo4(values, to + i, count - i);
  }
}

void SiluMul(float* gate, const float* up, uint32_t count) {
  for (uint32_t i = 0; i < count; i += 4) {
    const float32x4_t x = LoadUpTo4(gate + i, count - i);
    const float32x4_t divisor = vaddq_f32(vdupq_n_f32(1.0f), Exp(vnegq_f32(x)));
    const float32x4_t silu = vdivq_f32(x, divisor);
    StoreUpTo4(vmulq_f32(silu, LoadUpTo4(up + i, count - i)), gate + i,
               count - i);
  }
}

}  // namespace shoal::kernels::neon

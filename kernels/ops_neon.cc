// NEON functions other than products and attention.

#include "kernels/activation_constants.h"
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

// 4 pairs (or the first `count`, then zeros) apart.
float32x4x2_t LoadPairsUpTo4(const float* from, uint32_t count) {
  if (count >= 4) return vld2q_f32(from);
  float values[8] = {};
  std::memcpy(values, from, 2 * count * sizeof(float));
  return vld2q_f32(values);
}

void StorePairsUpTo4(float32x4x2_t pairs, float* to, uint32_t count) {
  if (count >= 4) {
    vst2q_f32(to, pairs);
    return;
  }
  float all[8];
  vst2q_f32(all, pairs);
  std::memcpy(to, all, 2 * count * sizeof(float));
}

// a cos - b sin and b cos + a sin for x = (a, b) and angles = (cos, sin).
float32x4x2_t Rotate(float32x4x2_t x, float32x4x2_t angles) {
  const float32x4_t a = x.val[0], b = x.val[1];
  const float32x4_t cosine = angles.val[0], sine = angles.val[1];
  return {vfmaq_f32(vnegq_f32(vmulq_f32(b, sine)), a, cosine),
          vfmaq_f32(vmulq_f32(a, sine), b, cosine)};
}

// from[0] - mean and from[1] - mean.
float64x2_t Distances(const float* from, float64x2_t mean) {
  return vsubq_f64(vcvt_f64_f32(vld1_f32(from)), mean);
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

void LayerNorm(const float* from, const float* weight, const float* bias,
               uint32_t count, float eps, float* to) {
  const uint32_t even = count / 2 * 2;
  float64x2_t sums = vdupq_n_f64(0.0);
  for (uint32_t i = 0; i < even; i += 2) {
    sums = vaddq_f64(sums, vcvt_f64_f32(vld1_f32(from + i)));
  }
  double sum = vaddvq_f64(sums);
  if (even < count) sum += double{from[even]};
  const double mean = sum / count;
  const float64x2_t means = vdupq_n_f64(mean);
  float64x2_t squares = vdupq_n_f64(0.0);
  for (uint32_t i = 0; i < even; i += 2) {
    const float64x2_t distances = Distances(from + i, means);
    squares = vfmaq_f64(squares, distances, distances);
  }
  double square = vaddvq_f64(squares);
  if (even < count) {
    square += (double{from[even]} - mean) * (double{from[even]} - mean);
  }
  const double factor = 1.0 / __builtin_sqrt(square / count + double{eps});
  for (uint32_t i = 0; i < count; i += 2) {
    float pair[2] = {from[i], i + 1 < count ? from[i + 1] : 0.0f};
    const float32x2_t normed =
        vcvt_f32_f64(vmulq_n_f64(Distances(pair, means), factor));
    vst1_f32(pair, normed);
    for (uint32_t k = 0; k < 2 && i + k < count; ++k) {
      to[i + k] = pair[k] * (weight == nullptr ? 1.0f : weight[i + k]) +
                  (bias == nullptr ? 0.0f : bias[i + k]);
    }
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

void GeluMul(float* gate, const float* up, uint32_t count) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  for (uint32_t i = 0; i < count; i += 4) {
    const float32x4_t x = LoadUpTo4(gate + i, count - i);
    const float32x4_t cubic =
        vfmaq_f32(one, vmulq_f32(x, x), vdupq_n_f32(kGeluCubic));
    const float32x4_t minus_twice_u =
        vmulq_f32(vmulq_n_f32(x, -kGeluScale), cubic);
    float32x4_t gelu = vdivq_f32(x, vaddq_f32(one, Exp(minus_twice_u)));
    if (up != nullptr) gelu = vmulq_f32(gelu, LoadUpTo4(up + i, count - i));
    StoreUpTo4(gelu, gate + i, count - i);
  }
}

void SwigluClamped(float* gate, const float* up, uint32_t count) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  const float32x4_t limit = vdupq_n_f32(kSwigluLimit);
  for (uint32_t i = 0; i < count; i += 4) {
    const float32x4_t g = vminq_f32(LoadUpTo4(gate + i, count - i), limit);
    const float32x4_t u = vmaxq_f32(
        vminq_f32(LoadUpTo4(up + i, count - i), limit), vnegq_f32(limit));
    const float32x4_t power = Exp(vmulq_n_f32(g, -kSwigluAlpha));
    const float32x4_t gated = vdivq_f32(g, vaddq_f32(one, power));
    StoreUpTo4(vmulq_f32(gated, vaddq_f32(u, one)), gate + i, count - i);
  }
}

void Rope(RopePairing pairing, const float* cos_sin, uint32_t rotary_dim,
          float* head) {
  const uint32_t pairs = rotary_dim / 2;
  for (uint32_t i = 0; i < pairs; i += 4) {
    const uint32_t count = pairs - i;
    const float32x4x2_t angles = LoadPairsUpTo4(cos_sin + 2 * i, count);
    if (pairing == RopePairing::kAdjacent) {
      const float32x4x2_t x = LoadPairsUpTo4(head + 2 * i, count);
      StorePairsUpTo4(Rotate(x, angles), head + 2 * i, count);
    } else {
      const float32x4x2_t x = {LoadUpTo4(head + i, count),
                               LoadUpTo4(head + pairs + i, count)};
      const float32x4x2_t rotated = Rotate(x, angles);
      StoreUpTo4(rotated.val[0], head + i, count);
      StoreUpTo4(rotated.val[1], head + pairs + i, count);
    }
  }
}

void F32ToF16(const float* from, uint32_t count, uint16_t* to) {
  for (uint32_t i = 0; i < count; i += 4) {
    const uint16x4_t halfs =
        vreinterpret_u16_f16(vcvt_f16_f32(LoadUpTo4(from + i, count - i)));
    const uint32_t rest = count - i < 4 ? count - i : 4;
    std::memcpy(to + i, &halfs, rest * sizeof(uint16_t));
  }
}

}  // namespace shoal::kernels::neon

// The scalar table and its functions other than products and attention.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "kernels/activation_constants.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/scalar.h"

namespace shoal::kernels {
namespace scalar {

void EncodeA8(const float* from, uint32_t cols, int8_t* quants, float* scales,
              int16_t* sums) {
  SHOAL_CHECK(cols % kA8BlockElements == 0, cols, " columns");
  for (uint32_t block = 0; block < cols / kA8BlockElements; ++block) {
    const float* values = from + block * kA8BlockElements;
    // Compared as bits, where infinity and NaN are above all numbers.
    uint32_t max_bits = 0;
    for (uint32_t i = 0; i < kA8BlockElements; ++i) {
      max_bits = std::max(max_bits, BitsOfFloat(values[i]) & 0x7fffffffu);
    }
    const float max = FloatFromBits(max_bits);
    float inverse = 0.0f;
    float scale = 0.0f;
    if (!std::isfinite(max)) {
      scale = std::numeric_limits<float>::quiet_NaN();
    } else if (max >= kA8SmallestMax) {
      scale = max / 127.0f;
      inverse = 127.0f / max;
    }
    for (uint32_t i = 0; i < kA8BlockElements; ++i) {
      const int quant =
          inverse == 0.0f
              ? 0
              : static_cast<int>(std::nearbyint(values[i] * inverse));
      quants[block * kA8BlockElements + i] = static_cast<int8_t>(quant);
    }
    scales[block] = scale;
  }
  SumQuants(quants, cols, sums);
}

void RmsNorm(const float* from, const float* weight, uint32_t count, float eps,
             float* to) {
  double sum = 0;
  for (uint32_t i = 0; i < count; ++i) sum += double{from[i]} * from[i];
  const auto factor = static_cast<float>(1.0 / std::sqrt(sum / count + eps));
  for (uint32_t i = 0; i < count; ++i) {
    const float normed = from[i] * factor;
    to[i] = weight == nullptr ? normed : normed * weight[i];
  }
}

void LayerNorm(const float* from, const float* weight, const float* bias,
               uint32_t count, float eps, float* to) {
  double sum = 0;
  for (uint32_t i = 0; i < count; ++i) sum += from[i];
  const double mean = sum / count;
  double squares = 0;
  for (uint32_t i = 0; i < count; ++i) {
    squares += (from[i] - mean) * (from[i] - mean);
  }
  const double factor = 1.0 / std::sqrt(squares / count + eps);
  for (uint32_t i = 0; i < count; ++i) {
    const auto normed = static_cast<float>((from[i] - mean) * factor);
    to[i] = normed * (weight == nullptr ? 1.0f : weight[i]) +
            (bias == nullptr ? 0.0f : bias[i]);
  }
}

void SiluMul(float* gate, const float* up, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
  }
}

// 0.5 x (1 + tanh u) is x times the sigmoid of 2 u.
void GeluMul(float* gate, const float* up, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const float x = gate[i];
    const float twice_u = kGeluScale * x * (1.0f + kGeluCubic * x * x);
    const float gelu = x / (1.0f + std::exp(-twice_u));
    gate[i] = up == nullptr ? gelu : gelu * up[i];
  }
}

void SwigluClamped(float* gate, const float* up, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const float g = std::min(gate[i], kSwigluLimit);
    const float u = std::clamp(up[i], -kSwigluLimit, kSwigluLimit);
    gate[i] = g / (1.0f + std::exp(-kSwigluAlpha * g)) * (u + 1.0f);
  }
}

void Rope(RopePairing pairing, const float* cos_sin, uint32_t rotary_dim,
          float* head) {
  const uint32_t pairs = rotary_dim / 2;
  const bool adjacent = pairing == RopePairing::kAdjacent;
  for (uint32_t i = 0; i < pairs; ++i) {
    float& a = head[adjacent ? 2 * i : i];
    float& b = head[adjacent ? 2 * i + 1 : i + pairs];
    const float cosine = cos_sin[2 * i], sine = cos_sin[2 * i + 1];
    const float rotated = a * cosine - b * sine;
    b = a * sine + b * cosine;
    a = rotated;
  }
}

void F32ToF16(const float* from, uint32_t count, uint16_t* to) {
  for (uint32_t i = 0; i < count; ++i) to[i] = HalfFromFloat(from[i]);
}

}  // namespace scalar

const KernelTable& ScalarKernels() {
  static const KernelTable table = {
      .isa = "scalar",
      .layout = LayoutId::kCanonical,
      .product = scalar::Product,
      .encode_a8 = scalar::EncodeA8,
      .rms_norm = scalar::RmsNorm,
      .layer_norm = scalar::LayerNorm,
      .silu_mul = scalar::SiluMul,
      .gelu_mul = scalar::GeluMul,
      .swiglu_clamped = scalar::SwigluClamped,
      .rope = scalar::Rope,
      .attention = scalar::Attention,
      .f32_to_f16 = scalar::F32ToF16,
      .plain_types = SupportedWeightTypes(),
  };
  return table;
}

}  // namespace shoal::kernels

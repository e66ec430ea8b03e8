#include "kernels/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/block_decoders.h"
#include "kernels/half.h"
#include "kernels/quantize_blocks.h"
#include "kernels/quantize_search.h"

namespace shoal::kernels {
namespace {

using Block = std::span<const float>;

float PutHalf(float value, std::byte* to) {
  const uint16_t half = HalfFromFloat(value);
  std::memcpy(to, &half, sizeof(half));
  return FloatFromHalf(half);
}

std::byte Pair(int low, int high) {
  return static_cast<std::byte>(low | high << 4);
}

// 32 codes of 4 bits, the first 16 in the low nibbles.
void PutNibbles(const std::array<int, 32>& codes, std::byte* to) {
  for (size_t i = 0; i < 16; ++i) {
    to[i] = Pair(codes[i] & 15, codes[i + 16] & 15);
  }
}

void PutFifthBits(const std::array<int, 32>& codes, std::byte* to) {
  uint32_t bits = 0;
  for (size_t i = 0; i < 32; ++i) {
    bits |= static_cast<uint32_t>(codes[i] >> 4 & 1) << i;
  }
  std::memcpy(to, &bits, sizeof(bits));
}

// Codes of [low, high], stored from 0 on.
std::array<int, 32> CodesOf(Block values, float scale, int low, int high) {
  std::array<int, 32> codes;
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = Nearest(values[i] / scale, low, high) - low;
  }
  return codes;
}

std::array<int, 32> CodesAboveMin(Block values, float scale, float min,
                                  int high) {
  std::array<int, 32> codes;
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = Nearest((values[i] + min) / scale, 0, high);
  }
  return codes;
}

void QuantizeQ4_0(Block values, std::byte* to) {
  const float d = PutHalf(BestScale(values, -8, 7), to);
  PutNibbles(CodesOf(values, d, -8, 7), to + 2);
}

void QuantizeQ4_1(Block values, std::byte* to) {
  const float min = *std::min_element(values.begin(), values.end());
  const float max = *std::max_element(values.begin(), values.end());
  const float d = PutHalf((max - min) / 15, to);
  const float m = PutHalf(min, to + 2);
  PutNibbles(CodesAboveMin(values, d, -m, 15), to + 4);
}

void QuantizeQ5_0(Block values, std::byte* to) {
  const float d = PutHalf(BestScale(values, -16, 15), to);
  const auto codes = CodesOf(values, d, -16, 15);
  PutFifthBits(codes, to + 2);
  PutNibbles(codes, to + 6);
}

void QuantizeQ5_1(Block values, std::byte* to) {
  const float min = *std::min_element(values.begin(), values.end());
  const float max = *std::max_element(values.begin(), values.end());
  const float d = PutHalf((max - min) / 31, to);
  const float m = PutHalf(min, to + 2);
  const auto codes = CodesAboveMin(values, d, -m, 31);
  PutFifthBits(codes, to + 4);
  PutNibbles(codes, to + 8);
}

void QuantizeQ8_0(Block values, std::byte* to) {
  float max = 0;
  for (const float x : values) max = std::max(max, std::abs(x));
  const float d = PutHalf(max / 127, to);
  for (size_t i = 0; i < 32; ++i) {
    to[2 + i] = static_cast<std::byte>(Nearest(values[i] / d, -127, 127));
  }
}

void QuantizeIQ4_NL(Block values, std::byte* to) {
  const float d = PutHalf(BestTableScale(values, kIQ4Values), to);
  std::array<int, 32> codes;
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = NearestCode(kIQ4Values, d == 0 ? 0 : values[i] / d);
  }
  PutNibbles(codes, to + 2);
}

// The exponent is that of the largest value, or one less or more, whichever
// comes nearest.
void QuantizeMXFP4(Block values, std::byte* to) {
  float max = 0;
  for (const float x : values) max = std::max(max, std::abs(x));
  const int middle = max == 0 ? 0 : std::ilogb(max) - 2 + 127;
  double best_error = INFINITY;
  for (int exponent = middle - 1; exponent <= middle + 1; ++exponent) {
    if (exponent < 0 || exponent > 254) continue;
    // The values are doubled.
    const double d = std::ldexp(1.0, exponent - 128);
    std::array<int, 32> codes;
    double error = 0;
    for (size_t i = 0; i < 32; ++i) {
      codes[i] = NearestCode(kMXFP4Doubles, static_cast<float>(values[i] / d));
      const double off = values[i] - d * kMXFP4Doubles[codes[i]];
      error += off * off;
    }
    if (error >= best_error) continue;
    best_error = error;
    to[0] = static_cast<std::byte>(exponent);
    PutNibbles(codes, to + 1);
  }
}

void Narrow(WeightType type, const float* from, uint64_t count, std::byte* to) {
  for (uint64_t i = 0; i < count; ++i) {
    if (type == WeightType::kF32) {
      std::memcpy(to + 4 * i, from + i, 4);
      continue;
    }
    const uint16_t half = type == WeightType::kF16 ? HalfFromFloat(from[i])
                                                   : BfloatFromFloat(from[i]);
    std::memcpy(to + 2 * i, &half, 2);
  }
}

using Quantizer = void (*)(Block, std::byte*);

Quantizer QuantizerOf(WeightType type) {
  switch (type) {
    case WeightType::kQ4_0:
      return QuantizeQ4_0;
    case WeightType::kQ4_1:
      return QuantizeQ4_1;
    case WeightType::kQ5_0:
      return QuantizeQ5_0;
    case WeightType::kQ5_1:
      return QuantizeQ5_1;
    case WeightType::kQ8_0:
      return QuantizeQ8_0;
    case WeightType::kQ2_K:
      return QuantizeQ2_K;
    case WeightType::kQ3_K:
      return QuantizeQ3_K;
    case WeightType::kQ4_K:
      return QuantizeQ4_K;
    case WeightType::kQ5_K:
      return QuantizeQ5_K;
    case WeightType::kQ6_K:
      return QuantizeQ6_K;
    case WeightType::kIQ4_NL:
      return QuantizeIQ4_NL;
    case WeightType::kIQ4_XS:
      return QuantizeIQ4_XS;
    case WeightType::kMXFP4:
      return QuantizeMXFP4;
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

void Quantize(WeightType type, const float* from, uint64_t count,
              std::byte* to) {
  const WeightTypeInfo& info = InfoOf(type);
  SHOAL_CHECK(count % info.block_elements == 0, count, " elements of ",
              info.name);
  const Quantizer quantize = QuantizerOf(type);
  if (quantize == nullptr) return Narrow(type, from, count, to);
  for (uint64_t done = 0; done < count; done += info.block_elements) {
    quantize({from + done, info.block_elements}, to);
    to += info.block_bytes;
  }
}

}  // namespace shoal::kernels

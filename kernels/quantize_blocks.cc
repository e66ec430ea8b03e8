// Blocks of 256: the best scale (and minimum) of each run of 16 or 32 elements,
// these scales rounded to multiples of one factor, and the elements rounded
// with what came of it. Bits are put where block_decoders.cc takes them from.

#include "kernels/quantize_blocks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/block_decoders.h"
#include "kernels/half.h"
#include "kernels/quantize_search.h"

namespace shoal::kernels {
namespace {

using Block = std::span<const float>;
using Codes = std::array<int, 256>;

float PutHalf(float value, std::byte* to) {
  const uint16_t half = HalfFromFloat(value);
  std::memcpy(to, &half, sizeof(half));
  return FloatFromHalf(half);
}

void OrByte(std::byte* to, int bits) { *to |= static_cast<std::byte>(bits); }

// Scales as multiples, in [low, high], of a common factor.
struct Multiples {
  std::array<int, 16> numbers = {};
  float factor = 0;
};

// The number of the largest is `low` or `high`, as its sign says, if the range
// has both; so the factor may be negative.
Multiples RoundScales(std::span<const float> scales, int low, int high,
                      std::byte* factor_at) {
  float largest = 0;
  for (const float scale : scales) {
    if (std::abs(scale) > std::abs(largest)) largest = scale;
  }
  Multiples result;
  const int end = low < 0 ? low : high;
  result.factor = PutHalf(largest / static_cast<float>(end), factor_at);
  for (size_t i = 0; i < scales.size(); ++i) {
    result.numbers[i] = Nearest(scales[i] / result.factor, low, high);
  }
  return result;
}

// Codes of [low, high], stored from 0 on, of runs with signed scales.
Codes CodesOf(Block values, const Multiples& scales, size_t run, int low,
              int high) {
  Codes codes;
  for (size_t i = 0; i < values.size(); ++i) {
    const float d = scales.factor * static_cast<float>(scales.numbers[i / run]);
    codes[i] = Nearest(values[i] / d, low, high) - low;
  }
  return codes;
}

struct ScalesAndMins {
  Multiples scales;
  Multiples mins;
  Codes codes;
};

ScalesAndMins FitWithMins(Block values, size_t run, int high, int scale_high,
                          std::byte* scale_at, std::byte* min_at) {
  const size_t runs = values.size() / run;
  std::array<float, 16> scales = {}, mins = {};
  for (size_t r = 0; r < runs; ++r) {
    const auto fit = BestScaleAndMin(values.subspan(r * run, run), high);
    scales[r] = fit.scale;
    mins[r] = fit.min;
  }
  ScalesAndMins result;
  result.scales =
      RoundScales(std::span(scales).first(runs), 0, scale_high, scale_at);
  result.mins = RoundScales(std::span(mins).first(runs), 0, scale_high, min_at);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t r = i / run;
    const float d =
        result.scales.factor * static_cast<float>(result.scales.numbers[r]);
    const float m =
        result.mins.factor * static_cast<float>(result.mins.numbers[r]);
    result.codes[i] = Nearest((values[i] + m) / d, 0, high);
  }
  return result;
}

// 6-bit scales and mins of Q4_K and Q5_K, 12 bytes of zeros before.
void PutScalesAndMins(const ScalesAndMins& fit, std::byte* to) {
  for (size_t j = 0; j < 8; ++j) {
    const int scale = fit.scales.numbers[j], min = fit.mins.numbers[j];
    const size_t k = j % 4;
    if (j < 4) {
      OrByte(to + k, scale);
      OrByte(to + 4 + k, min);
    } else {
      OrByte(to + 8 + k, (scale & 15) | (min & 15) << 4);
      OrByte(to + k, scale >> 4 << 6);
      OrByte(to + 4 + k, min >> 4 << 6);
    }
  }
}

// Low 4 bits of 8 parts of 32, two parts to a run of 32 bytes.
void PutNibblesOfParts(const Codes& codes, std::byte* to) {
  for (size_t i = 0; i < 256; ++i) {
    const size_t part = i / 32;
    OrByte(to + part / 2 * 32 + i % 32, (codes[i] & 15)
                                            << (part % 2 == 0 ? 0 : 4));
  }
}

// Low 2 bits of 8 parts, four parts to a run of 32 bytes.
void PutTwoBitsOfParts(const Codes& codes, std::byte* to) {
  for (size_t i = 0; i < 256; ++i) {
    const size_t part = i / 32;
    OrByte(to + part / 4 * 32 + i % 32, (codes[i] & 3) << (part % 4 * 2));
  }
}

// One bit of 8 parts: bit p of each of 32 bytes is part p's.
void PutOneBitOfParts(const Codes& codes, int bit, std::byte* to) {
  for (size_t i = 0; i < 256; ++i) {
    OrByte(to + i % 32, (codes[i] >> bit & 1) << (i / 32));
  }
}

template <typename Best>
std::array<float, 16> ScalesOfRuns(Block values, size_t run, const Best& best) {
  std::array<float, 16> scales = {};
  for (size_t r = 0; r < values.size() / run; ++r) {
    scales[r] = best(values.subspan(r * run, run));
  }
  return scales;
}

}  // namespace

void QuantizeQ2_K(Block values, std::byte* to) {
  std::memset(to, 0, 84);
  const auto fit = FitWithMins(values, 16, 3, 15, to + 80, to + 82);
  for (size_t r = 0; r < 16; ++r) {
    OrByte(to + r, fit.scales.numbers[r] | fit.mins.numbers[r] << 4);
  }
  PutTwoBitsOfParts(fit.codes, to + 16);
}

void QuantizeQ3_K(Block values, std::byte* to) {
  std::memset(to, 0, 110);
  const auto scales =
      ScalesOfRuns(values, 16, [](Block run) { return BestScale(run, -4, 3); });
  const auto multiples = RoundScales(scales, -32, 31, to + 108);
  const Codes codes = CodesOf(values, multiples, 16, -4, 3);
  PutOneBitOfParts(codes, 2, to);
  PutTwoBitsOfParts(codes, to + 32);
  for (size_t r = 0; r < 16; ++r) {
    const int number = multiples.numbers[r] + 32;
    OrByte(to + 96 + r % 8, (number & 15) << (r / 8 * 4));
    OrByte(to + 104 + r % 4, number >> 4 << (r / 4 * 2));
  }
}

void QuantizeQ4_K(Block values, std::byte* to) {
  std::memset(to, 0, 144);
  const auto fit = FitWithMins(values, 32, 15, 63, to, to + 2);
  PutScalesAndMins(fit, to + 4);
  PutNibblesOfParts(fit.codes, to + 16);
}

void QuantizeQ5_K(Block values, std::byte* to) {
  std::memset(to, 0, 176);
  const auto fit = FitWithMins(values, 32, 31, 63, to, to + 2);
  PutScalesAndMins(fit, to + 4);
  PutOneBitOfParts(fit.codes, 4, to + 16);
  PutNibblesOfParts(fit.codes, to + 48);
}

void QuantizeQ6_K(Block values, std::byte* to) {
  std::memset(to, 0, 210);
  const auto scales = ScalesOfRuns(
      values, 16, [](Block run) { return BestScale(run, -32, 31); });
  const auto multiples = RoundScales(scales, -128, 127, to + 208);
  const Codes codes = CodesOf(values, multiples, 16, -32, 31);
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128, p = i / 32 % 4, l = i % 32;
    OrByte(to + half * 64 + p % 2 * 32 + l, (codes[i] & 15) << (p / 2 * 4));
    OrByte(to + 128 + half * 32 + l, (codes[i] >> 4) << (2 * p));
  }
  for (size_t r = 0; r < 16; ++r) {
    to[192 + r] = static_cast<std::byte>(multiples.numbers[r]);
  }
}

void QuantizeIQ4_XS(Block values, std::byte* to) {
  std::memset(to, 0, 136);
  const auto scales = ScalesOfRuns(
      values, 32, [](Block run) { return BestTableScale(run, kIQ4Values); });
  const auto multiples = RoundScales(std::span(scales).first(8), -32, 31, to);
  uint16_t upper = 0;
  for (size_t part = 0; part < 8; ++part) {
    const int number = multiples.numbers[part] + 32;
    OrByte(to + 4 + part / 2, (number & 15) << (part % 2 * 4));
    upper |= static_cast<uint16_t>((number >> 4) << (2 * part));
    const float d =
        multiples.factor * static_cast<float>(multiples.numbers[part]);
    for (size_t i = 0; i < 32; ++i) {
      const float x = values[32 * part + i];
      const int code = NearestCode(kIQ4Values, d == 0 ? 0 : x / d);
      OrByte(to + 8 + 16 * part + i % 16, code << (i / 16 * 4));
    }
  }
  std::memcpy(to + 2, &upper, sizeof(upper));
}

}  // namespace shoal::kernels

#include "model/synth_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/half.h"
#include "model/synth_random.h"

namespace shoal::model {
namespace {

using kernels::WeightType;

// Halves are drawn from a table of this many; 16 KiB stay in the first cache.
constexpr uint64_t kHalves = 8192;

constexpr uint64_t kQ4BlockBytes = 18;  // half scale, 32 values of 4 bits
constexpr uint64_t kQ8BlockBytes = 34;  // half scale, 32 values of 8 bits

// Root mean square of -8..7, and of -127..127, each as likely as the others.
const double kQ4Rms = std::sqrt(344.0 / 16.0);
const double kQ8Rms = std::sqrt(127.0 * 128.0 / 3.0);

// The scale's lowest bits are random: the mean of the factor 1 + r / 1024 with
// r in 0..127, so that the spread comes out right.
constexpr uint16_t kScaleRandomBits = 0x7f;
constexpr double kScaleMean = 1.0 + 63.5 / 1024 / 1.5;

}  // namespace

bool SynthWeights::Supports(WeightType type) {
  return type == WeightType::kF16 || type == WeightType::kQ4_0 ||
         type == WeightType::kQ8_0;
}

SynthWeights::SynthWeights(WeightType type, double spread, uint64_t seed)
    : type_(type), seed_(seed) {
  SHOAL_CHECK(type == WeightType::kF32 || Supports(type));
  SHOAL_CHECK(spread > 1e-4 && spread < 1, spread);
  if (type == WeightType::kF16 || type == WeightType::kF32) {
    // The sum of 12 uniform numbers is close to normal, has the variance 1 and
    // no far tails. Each number is there with both signs, so that the mean of
    // the table is 0.
    halves_.resize(kHalves);
    for (uint64_t i = 0; i < kHalves; i += 2) {
      double sum = -6;
      for (uint64_t k = 0; k < 12; ++k) {
        sum +=
            static_cast<double>(SynthRandom(~seed, 12 * i + k) >> 11) * 0x1p-53;
      }
      halves_[i] = kernels::HalfFromFloat(static_cast<float>(sum * spread));
      halves_[i + 1] = halves_[i] ^ 0x8000;
    }
    return;
  }
  const double rms = type == WeightType::kQ4_0 ? kQ4Rms : kQ8Rms;
  scale_ =
      kernels::HalfFromFloat(static_cast<float>(spread / rms / kScaleMean)) &
      static_cast<uint16_t>(~kScaleRandomBits);
}

void SynthWeights::Fill(uint64_t first_block,
                        std::span<std::byte> blocks) const {
  switch (type_) {
    case WeightType::kQ4_0:
      return FillQ4_0(first_block, blocks);
    case WeightType::kQ8_0:
      return FillQ8_0(first_block, blocks);
    case WeightType::kF32:
      return FillF32(first_block, blocks);
    default:
      return FillF16(first_block, blocks);
  }
}

// The sign is random too: the values' mean is not 0 (-8 has no partner), and a
// common mean of a whole matrix would drown everything else.
uint16_t SynthWeights::Scale(uint64_t random) const {
  return scale_ | (random & (0x8000 | kScaleRandomBits));
}

void SynthWeights::FillQ4_0(uint64_t first_block,
                            std::span<std::byte> blocks) const {
  SHOAL_CHECK(blocks.size() % kQ4BlockBytes == 0);
  std::byte* to = blocks.data();
  for (uint64_t i = 0; i < blocks.size() / kQ4BlockBytes; ++i) {
    const uint64_t index = 3 * (first_block + i);
    const uint16_t scale = Scale(SynthRandom(seed_, index));
    const uint64_t values[2] = {SynthRandom(seed_, index + 1),
                                SynthRandom(seed_, index + 2)};
    std::memcpy(to, &scale, sizeof(scale));
    std::memcpy(to + sizeof(scale), values, sizeof(values));
    to += kQ4BlockBytes;
  }
}

void SynthWeights::FillQ8_0(uint64_t first_block,
                            std::span<std::byte> blocks) const {
  SHOAL_CHECK(blocks.size() % kQ8BlockBytes == 0);
  std::byte* to = blocks.data();
  for (uint64_t i = 0; i < blocks.size() / kQ8BlockBytes; ++i) {
    const uint64_t index = 5 * (first_block + i);
    const uint16_t scale = Scale(SynthRandom(seed_, index));
    uint64_t words[4];
    for (uint64_t k = 0; k < 4; ++k)
      words[k] = SynthRandom(seed_, index + 1 + k);
    int8_t values[sizeof(words)];
    std::memcpy(values, words, sizeof(words));
    for (int8_t& value : values) value = std::max<int8_t>(value, -127);
    std::memcpy(to, &scale, sizeof(scale));
    std::memcpy(to + sizeof(scale), values, sizeof(values));
    to += kQ8BlockBytes;
  }
}

void SynthWeights::FillF16(uint64_t first_element,
                           std::span<std::byte> elements) const {
  SHOAL_CHECK(elements.size() % sizeof(uint16_t) == 0);
  const uint64_t count = elements.size() / sizeof(uint16_t);
  std::byte* to = elements.data();
  uint64_t random = 0;
  uint64_t drawn_for = ~uint64_t{0};
  for (uint64_t i = first_element; i < first_element + count; ++i) {
    if (i / 4 != drawn_for) {
      drawn_for = i / 4;
      random = SynthRandom(seed_, drawn_for);
    }
    const uint16_t half = halves_[(random >> (16 * (i % 4))) % kHalves];
    std::memcpy(to, &half, sizeof(half));
    to += sizeof(half);
  }
}

void SynthWeights::FillF32(uint64_t first_element,
                           std::span<std::byte> elements) const {
  SHOAL_CHECK(elements.size() % sizeof(float) == 0);
  const uint64_t count = elements.size() / sizeof(float);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t random = SynthRandom(seed_, first_element + i);
    const float value = kernels::FloatFromHalf(halves_[random % kHalves]);
    std::memcpy(elements.data() + i * sizeof(float), &value, sizeof(value));
  }
}

}  // namespace shoal::model

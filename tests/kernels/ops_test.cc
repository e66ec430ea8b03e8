// Activation encoding, norm, activation function and conversion of every table.

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "kernels/kernel_table.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::AllTables;
using testing::RandomFloats;

struct Encoded {
  std::vector<int8_t> quants;
  std::vector<float> scales;
  std::vector<int16_t> sums;
};

Encoded Encode(const KernelTable& table, const std::vector<float>& values) {
  Encoded result = {std::vector<int8_t>(values.size()),
                    std::vector<float>(values.size() / 32),
                    std::vector<int16_t>(values.size() / 16)};
  table.encode_a8(values.data(), static_cast<uint32_t>(values.size()),
                  result.quants.data(), result.scales.data(),
                  result.sums.data());
  return result;
}

TEST(EncodeA8Test, EachValueIsWithinHalfAStepAndTheSumsFit) {
  std::mt19937 random(1);
  const std::vector<float> values = RandomFloats(32 * 40, random);
  for (const KernelTable* table : AllTables()) {
    const Encoded got = Encode(*table, values);
    for (size_t block = 0; block < values.size() / 32; ++block) {
      float max = 0;
      int sums[2] = {0, 0};
      for (size_t i = block * 32; i < block * 32 + 32; ++i) {
        max = std::max(max, std::abs(values[i]));
        sums[i / 16 % 2] += got.quants[i];
        EXPECT_NE(got.quants[i], -128);
        // Half a step, and the rounding of the scale and of its inverse.
        EXPECT_NEAR(values[i], got.scales[block] * got.quants[i],
                    got.scales[block] * (0.5 + 127 * 0x1p-22));
      }
      EXPECT_EQ(got.scales[block], max / 127.0f);
      EXPECT_EQ(got.sums[2 * block], sums[0]);
      EXPECT_EQ(got.sums[2 * block + 1], sums[1]);
    }
  }
}

TEST(EncodeA8Test, EveryTableMakesTheSameBits) {
  std::mt19937 random(2);
  std::vector<float> values = RandomFloats(32 * 200, random);
  for (size_t i = 0; i < 64; ++i) values[i] = static_cast<float>(i) - 31.5f;
  const Encoded wanted = Encode(**SelectKernels("scalar"), values);
  for (const KernelTable* table : AllTables()) {
    const Encoded got = Encode(*table, values);
    EXPECT_EQ(got.quants, wanted.quants) << table->isa;
    EXPECT_EQ(got.scales, wanted.scales) << table->isa;
    EXPECT_EQ(got.sums, wanted.sums) << table->isa;
  }
}

TEST(EncodeA8Test, TinyBlocksAreZeroAndFaultsShowInTheScale) {
  std::vector<float> values(32 * 5, 0.0f);
  values[32] = 1e-31f;
  values[64 + 5] = std::numeric_limits<float>::infinity();
  values[96 + 31] = -std::numeric_limits<float>::quiet_NaN();
  values[96 + 30] = 1.0f;
  values[128] = std::numeric_limits<float>::max();
  for (const KernelTable* table : AllTables()) {
    const Encoded got = Encode(*table, values);
    EXPECT_EQ(got.scales[0], 0.0f);
    EXPECT_EQ(got.scales[1], 0.0f);
    EXPECT_TRUE(std::isnan(got.scales[2])) << table->isa;
    EXPECT_TRUE(std::isnan(got.scales[3])) << table->isa;
    for (size_t i = 0; i < 128; ++i) ASSERT_EQ(got.quants[i], 0) << i;
    EXPECT_EQ(got.quants[128], 127);
    EXPECT_EQ(got.sums[8], 127);
  }
}

TEST(RmsNormTest, EqualsDoubleArithmetic) {
  std::mt19937 random(3);
  for (const KernelTable* table : AllTables()) {
    for (const uint32_t count : {1u, 7u, 64u, 2049u}) {
      const std::vector<float> from = RandomFloats(count, random);
      const std::vector<float> weight = RandomFloats(count, random);
      double sum = 0;
      for (const float value : from) sum += double{value} * value;
      const double factor = 1 / std::sqrt(sum / count + 1e-5);
      std::vector<float> got(count), in_place = from, plain(count);
      table->rms_norm(from.data(), weight.data(), count, 1e-5f, got.data());
      table->rms_norm(from.data(), nullptr, count, 1e-5f, plain.data());
      table->rms_norm(in_place.data(), weight.data(), count, 1e-5f,
                      in_place.data());
      EXPECT_EQ(in_place, got);
      for (uint32_t i = 0; i < count; ++i) {
        // The factor and two products are rounded; eps is a float too.
        const double wanted = from[i] * factor * weight[i];
        EXPECT_NEAR(got[i], wanted, std::abs(wanted) * 4 * 0x1p-24);
        EXPECT_NEAR(plain[i], from[i] * factor,
                    std::abs(from[i] * factor) * 3 * 0x1p-24);
      }
    }
  }
}

TEST(SiluMulTest, EqualsDoubleArithmeticOverTheWholeRange) {
  std::vector<float> gate, up;
  for (float x = -130.0f; x <= 130.0f; x += 0.037f) {
    gate.push_back(x);
    up.push_back(1.0f + x / 100);
  }
  for (const float x : {-1e30f, -88.8f, -0.0f, 0.0f, 1e-30f, 88.8f, 1e30f}) {
    gate.push_back(x);
    up.push_back(1.0f);
  }
  for (const KernelTable* table : AllTables()) {
    std::vector<float> got = gate;
    table->silu_mul(got.data(), up.data(), static_cast<uint32_t>(got.size()));
    for (size_t i = 0; i < gate.size(); ++i) {
      const double x = gate[i];
      const double wanted = x / (1 + std::exp(-x)) * up[i];
      // exp within 2 units in the last place, then a sum, a quotient and a
      // product; below 1e-36 results may be flushed to zero.
      EXPECT_NEAR(got[i], wanted, std::abs(wanted) * 6 * 0x1p-24 + 1e-36)
          << table->isa << " " << x;
    }
    float alone = gate[123];  // in the tail of a vector loop
    table->silu_mul(&alone, &up[123], 1);
    EXPECT_EQ(alone, got[123]) << table->isa;
  }
}

TEST(GeluMulTest, EqualsTheTanhFormInDouble) {
  std::vector<float> gate, up;
  for (float x = -30.0f; x <= 30.0f; x += 0.0137f) {
    gate.push_back(x);
    up.push_back(1.0f - x / 50);
  }
  for (const KernelTable* table : AllTables()) {
    std::vector<float> got = gate;
    std::vector<float> alone = gate;
    const auto count = static_cast<uint32_t>(gate.size());
    table->gelu_mul(got.data(), up.data(), count);
    table->gelu_mul(alone.data(), nullptr, count);
    for (size_t i = 0; i < gate.size(); ++i) {
      const double x = gate[i];
      const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
      // As a quotient: 1 + tanh u loses all digits for large -u.
      const double gelu = x / (1 + std::exp(-2 * u));
      // 2 u has 5 roundings, which are an absolute error of its exponential's
      // exponent; exp, a sum, a quotient and a product.
      const double bound =
          std::abs(gelu) * (2 * std::abs(u) * 5 + 6) * 0x1p-24 + 1e-36;
      EXPECT_NEAR(alone[i], gelu, bound) << table->isa << " " << x;
      EXPECT_NEAR(got[i], gelu * up[i], bound * std::abs(up[i]) + 1e-36)
          << table->isa << " " << x;
    }
    float last = gate[123];
    table->gelu_mul(&last, &up[123], 1);
    EXPECT_EQ(last, got[123]) << table->isa;
  }
}

TEST(SwigluClampedTest, EqualsDoubleArithmeticAndClampsBothSides) {
  std::vector<float> gate, up;
  for (float x = -20.0f; x <= 20.0f; x += 0.0137f) {
    gate.push_back(x);
    up.push_back(0.3f - x);
  }
  for (const KernelTable* table : AllTables()) {
    std::vector<float> got = gate;
    table->swiglu_clamped(got.data(), up.data(),
                          static_cast<uint32_t>(gate.size()));
    for (size_t i = 0; i < gate.size(); ++i) {
      const double g = std::min(gate[i], 7.0f);
      const double u = std::clamp(up[i], -7.0f, 7.0f);
      const double gated = g / (1 + std::exp(-double{1.702f} * g));
      const double wanted = gated * (u + 1);
      // The exponent has one rounding of a magnitude below 35; then exp, a
      // sum, a quotient, u + 1 and a product.
      EXPECT_NEAR(
          got[i], wanted,
          std::abs(wanted) * (35 + 8) * 0x1p-24 + std::abs(gated) * 8 * 0x1p-24)
          << table->isa << " " << gate[i];
    }
  }
}

TEST(LayerNormTest, EqualsDoubleArithmeticWithAndWithoutWeights) {
  std::mt19937 random(6);
  for (const uint32_t count : {1u, 7u, 64u, 1000u}) {
    std::vector<float> from = RandomFloats(count, random);
    for (float& value : from) value = value * 3 + 100;
    const std::vector<float> weight = RandomFloats(count, random);
    const std::vector<float> bias = RandomFloats(count, random);
    double mean = 0, variance = 0;
    for (const float value : from) mean += double{value} / count;
    for (const float value : from) {
      variance += (value - mean) * (value - mean) / count;
    }
    for (const KernelTable* table : AllTables()) {
      std::vector<float> plain(count), full = from;
      table->layer_norm(from.data(), nullptr, nullptr, count, 1e-5f,
                        plain.data());
      table->layer_norm(full.data(), weight.data(), bias.data(), count, 1e-5f,
                        full.data());
      for (uint32_t i = 0; i < count; ++i) {
        const double normed =
            (from[i] - mean) / std::sqrt(variance + double{1e-5f});
        EXPECT_NEAR(plain[i], normed, std::abs(normed) * 0x1p-22 + 1e-9);
        EXPECT_NEAR(
            full[i], normed * weight[i] + bias[i],
            (std::abs(normed * weight[i]) + std::abs(bias[i])) * 0x1p-22 + 1e-9)
            << table->isa;
      }
    }
  }
}

TEST(F32ToF16Test, EveryTableMakesTheSameBits) {
  std::mt19937 random(4);
  std::uniform_int_distribution<uint32_t> bits;
  std::vector<float> values(100003);
  for (float& value : values) {
    do {
      value = FloatFromBits(bits(random));
    } while (std::isnan(value));
  }
  for (const KernelTable* table : AllTables()) {
    std::vector<uint16_t> got(values.size());
    table->f32_to_f16(values.data(), static_cast<uint32_t>(values.size()),
                      got.data());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(got[i], HalfFromFloat(values[i])) << table->isa << " " << i;
    }
  }
}

}  // namespace
}  // namespace shoal::kernels

#include "kernels/rope.h"

#include <gtest/gtest.h>

#include <numbers>
#include <random>

#include "kernels/kernel_table.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::AllTables;
using testing::RandomFloats;

TEST(RopeTest, RotatesPairsByTheAnglesOfThePosition) {
  std::mt19937 random(1);
  const uint32_t head_dim = 80;
  for (const KernelTable* table : AllTables()) {
    for (const uint32_t rotary_dim : {0u, 2u, 20u, 64u, 80u}) {
      for (const auto pairing :
           {RopePairing::kAdjacent, RopePairing::kHalfSplit}) {
        RopeParameters parameters;
        parameters.rotary_dim = rotary_dim;
        std::vector<float> cos_sin(rotary_dim);
        RopeAngles(parameters, 1234, cos_sin);
        const std::vector<float> before = RandomFloats(head_dim, random);
        std::vector<float> head = before;
        table->rope(pairing, cos_sin.data(), rotary_dim, head.data());
        const uint32_t pairs = rotary_dim / 2;
        for (uint32_t i = 0; i < pairs; ++i) {
          const bool adjacent = pairing == RopePairing::kAdjacent;
          const uint32_t a = adjacent ? 2 * i : i;
          const uint32_t b = adjacent ? 2 * i + 1 : i + pairs;
          const double angle = 1234 * std::pow(10000.0, -2.0 * i / rotary_dim);
          // cos and sin, two products and a sum are rounded.
          const double tolerance =
              4 * 0x1p-24 * (std::abs(before[a]) + std::abs(before[b]));
          EXPECT_NEAR(head[a],
                      before[a] * std::cos(angle) - before[b] * std::sin(angle),
                      tolerance);
          EXPECT_NEAR(head[b],
                      before[a] * std::sin(angle) + before[b] * std::cos(angle),
                      tolerance);
        }
        for (uint32_t i = rotary_dim; i < head_dim; ++i) {
          EXPECT_EQ(head[i], before[i]);
        }
      }
    }
  }
}

TEST(RopeAnglesTest, LinearScalingAndFactorsSlowTheFrequencies) {
  RopeParameters parameters;
  parameters.rotary_dim = 4;
  parameters.base = 100.0;
  parameters.frequency_scale = 0.25;
  parameters.frequency_factors = {1.0f, 8.0f};
  std::vector<float> cos_sin(4);
  RopeAngles(parameters, 12, cos_sin);
  EXPECT_FLOAT_EQ(cos_sin[0], std::cos(3.0));
  EXPECT_FLOAT_EQ(cos_sin[1], std::sin(3.0));
  EXPECT_FLOAT_EQ(cos_sin[2], std::cos(12 * 0.1 * 0.25 / 8));
  EXPECT_FLOAT_EQ(cos_sin[3], std::sin(12 * 0.1 * 0.25 / 8));
}

TEST(RopeAnglesTest, YarnKeepsFastPairsAndScalesSlowOnes) {
  RopeParameters parameters;
  parameters.rotary_dim = 64;
  parameters.frequency_scale = 0.25;
  parameters.extension_factor = 1.0;
  parameters.original_context = 4096;
  std::vector<float> cos_sin(64);
  RopeAngles(parameters, 7, cos_sin);
  const double magnitude = 1 + 0.1 * std::log(4.0);
  const auto angle = [&](uint32_t pair) {
    return std::atan2(cos_sin[2 * pair + 1], cos_sin[2 * pair]);
  };
  const auto frequency = [](uint32_t pair) {
    return std::pow(10000.0, -2.0 * pair / 64);
  };
  // Pair 0 makes 652 turns within the context: kept. Pair 31 makes 0.09:
  // scaled.
  EXPECT_NEAR(angle(0), 7 - 2 * std::numbers::pi, 1e-6);
  EXPECT_NEAR(angle(31), 7 * frequency(31) * 0.25, 1e-9);
  // 32 turns are made by pair 10.5, one by 22.5: the ramp goes from 10 to 23.
  EXPECT_NEAR(angle(10), 7 * frequency(10), 1e-7);
  EXPECT_NEAR(angle(23), 7 * frequency(23) * 0.25, 1e-8);
  const double mix = 1.0 - (15 - 10) / 13.0;
  EXPECT_NEAR(angle(15), 7 * frequency(15) * (0.25 * (1 - mix) + mix), 1e-7);
  for (uint32_t pair = 0; pair < 32; ++pair) {
    EXPECT_NEAR(std::hypot(cos_sin[2 * pair], cos_sin[2 * pair + 1]), magnitude,
                1e-6);
  }
}

}  // namespace
}  // namespace shoal::kernels

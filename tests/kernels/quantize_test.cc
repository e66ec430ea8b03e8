#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "kernels/layout.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::GoldenDir;
using testing::RandomFloats;

std::vector<float> RoundTrip(WeightType type,
                             const std::vector<float>& values) {
  std::vector<std::byte> blocks(BytesOf(type, values.size()));
  Quantize(type, values.data(), values.size(), blocks.data());
  std::vector<float> back(values.size());
  Dequantize(type, blocks.data(), values.size(), back.data());
  return back;
}

double ErrorOf(const float* a, const float* b, uint64_t count) {
  double sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  }
  return std::sqrt(sum / static_cast<double>(count));
}

// Of normal values: the error of a uniform quantiser with steps of
// 2 * 2.2 / levels (the range of 32 normal values is about +- 2.2) is
// step / sqrt(12); the bounds leave a quarter for scales that are rounded and
// shared. A scale that is wrong by a tenth misses them.
TEST(QuantizeTest, ErrorsOfNormalValuesAreThoseOfTheNumberOfLevels) {
  std::mt19937 random(11);
  const std::vector<float> values = RandomFloats(256 * 64, random);
  const std::pair<WeightType, double> bounds[] = {
      {WeightType::kQ2_K, 0.30},    {WeightType::kQ3_K, 0.18},
      {WeightType::kQ4_0, 0.095},   {WeightType::kQ4_1, 0.090},
      {WeightType::kIQ4_NL, 0.085}, {WeightType::kIQ4_XS, 0.090},
      {WeightType::kMXFP4, 0.125},  {WeightType::kQ4_K, 0.083},
      {WeightType::kQ5_0, 0.048},   {WeightType::kQ5_1, 0.044},
      {WeightType::kQ5_K, 0.042},   {WeightType::kQ6_K, 0.022},
      {WeightType::kQ8_0, 0.0060},  {WeightType::kBF16, 0.0020},
      {WeightType::kF16, 0.00025},  {WeightType::kF32, 0}};
  EXPECT_EQ(std::size(bounds), SupportedWeightTypes().size());
  for (const auto& [type, bound] : bounds) {
    const auto back = RoundTrip(type, values);
    const double error = ErrorOf(values.data(), back.data(), values.size());
    EXPECT_LE(error, bound) << InfoOf(type).name;
    EXPECT_GE(error, bound / 2) << InfoOf(type).name;
  }
}

TEST(QuantizeTest, NothingIsWorseThanTheReferenceOnItsOwnMatrix) {
  if (GoldenDir().empty()) GTEST_SKIP() << "SHOAL_GOLDEN_DIR is not set";
  const std::string dir = GoldenDir() + "/quant/";
  std::ifstream file(dir + "manifest.json");
  const nlohmann::json types = nlohmann::json::parse(file)["types"];
  const std::vector<float> source = testing::ReadFloats(dir + "source.f32");
  constexpr uint64_t kCols = 512;
  constexpr uint64_t kSpecialRows = 14;  // see the next test
  int checked = 0;
  for (const WeightType type : SupportedWeightTypes()) {
    const std::string name(InfoOf(type).name);
    if (!types.contains(name)) continue;
    const auto wanted = testing::ReadFloats(
        dir + std::string(types[name]["quantised"]["dequantised"]));
    const auto got = RoundTrip(type, source);
    const uint64_t begin = kSpecialRows * kCols;
    const uint64_t count = source.size() - begin;
    const double reference = ErrorOf(&source[begin], &wanted[begin], count);
    const double error = ErrorOf(&source[begin], &got[begin], count);
    std::printf("%-7s error %.4e, reference %.4e\n", name.c_str(), error,
                reference);
    EXPECT_LE(error, 1.05 * reference) << name;
    ++checked;
  }
  EXPECT_EQ(checked, 15);
}

TEST(QuantizeTest, ZerosStayZerosAndConstantsStayClose) {
  for (const WeightType type : SupportedWeightTypes()) {
    for (const float value : {0.0f, 1.0f, -3.0f, 1e-30f, 4096.0f}) {
      const std::vector<float> values(512, value);
      for (const float back : RoundTrip(type, values)) {
        // The smallest scales of f16 are 2^-24.
        EXPECT_NEAR(back, value, std::abs(value) * 0.1 + 1e-6)
            << InfoOf(type).name;
      }
    }
  }
}

TEST(QuantizeTest, AnOutlierDoesNotBreakTheOtherRuns) {
  for (const WeightType type : SupportedWeightTypes()) {
    std::mt19937 random(2);
    std::vector<float> values = RandomFloats(512, random);
    values[300] = 500.0f;
    const auto back = RoundTrip(type, values);
    EXPECT_NEAR(back[300], 500, 60) << InfoOf(type).name;
    // The first block has no outlier.
    EXPECT_LE(ErrorOf(values.data(), back.data(), 256), 0.35)
        << InfoOf(type).name;
  }
}

}  // namespace
}  // namespace shoal::kernels

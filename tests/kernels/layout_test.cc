#include "kernels/layout.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::GoldenDir;
using testing::RandomWeights;
using testing::ReadBytes;
using testing::ReadFloats;

TEST(DequantizeTest, EqualsTheReferenceBitForBit) {
  if (GoldenDir().empty()) GTEST_SKIP() << "SHOAL_GOLDEN_DIR is not set";
  const std::string dir = GoldenDir() + "/quant/";
  std::ifstream file(dir + "manifest.json");
  const nlohmann::json types = nlohmann::json::parse(file)["types"];
  int checked = 0;
  for (const WeightType type : SupportedWeightTypes()) {
    const std::string name(InfoOf(type).name);
    if (!types.contains(name)) continue;  // F32 needs no reference
    for (const char* set : {"quantised", "randbits"}) {
      const nlohmann::json& entry = types[name][set];
      const auto bytes = ReadBytes(dir + std::string(entry["file"]));
      const auto wanted = ReadFloats(dir + std::string(entry["dequantised"]));
      ASSERT_EQ(bytes.size(), BytesOf(type, wanted.size())) << name;
      std::vector<float> got(wanted.size());
      Dequantize(type, bytes.data(), got.size(), got.data());
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(BitsOfFloat(got[i]), BitsOfFloat(wanted[i]))
            << name << " " << set << " element " << i << ": " << got[i]
            << " instead of " << wanted[i];
      }
      ++checked;
    }
  }
  EXPECT_EQ(checked, 30);
}

TEST(DequantizeTest, CopiesF32) {
  const std::vector<float> values = {1.5f, -0.0f, 3e-42f};
  std::vector<float> got(3);
  Dequantize(WeightType::kF32,
             reinterpret_cast<const std::byte*>(values.data()), 3, got.data());
  EXPECT_EQ(std::memcmp(got.data(), values.data(), 12), 0);
}

TEST(LayoutTest, UnpackUndoesPackForEveryTypeAndRowCount) {
  std::mt19937 random(1);
  for (const WeightType type : SupportedWeightTypes()) {
    for (const uint32_t rows : {1u, 15u, 16u, 17u, 33u}) {
      const uint32_t cols = 512;
      const auto canonical = RandomWeights(type, rows, cols, random);
      for (const LayoutId layout : {LayoutId::kCanonical, LayoutId::kTile16}) {
        std::vector<std::byte> packed(canonical.size());
        std::vector<std::byte> back(canonical.size());
        Pack(type, rows, cols, layout, canonical, packed);
        Unpack(type, rows, cols, layout, packed, back);
        EXPECT_EQ(back, canonical) << InfoOf(type).name << " " << rows;
        EXPECT_EQ(packed == canonical,
                  layout == LayoutId::kCanonical || rows == 1)
            << InfoOf(type).name << " " << rows;
      }
    }
  }
}

TEST(LayoutTest, TileHasEachWordOfAllRowsTogether) {
  // Two blocks of Q4_0 per row: an f16 and four words of four bytes.
  const uint32_t rows = 18, cols = 64;
  std::vector<std::byte> canonical(rows * 36);
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t i = 0; i < 36; ++i) {
      canonical[row * 36 + i] = static_cast<std::byte>(row * 7 + i);
    }
  }
  std::vector<std::byte> packed(canonical.size());
  Pack(WeightType::kQ4_0, rows, cols, LayoutId::kTile16, canonical, packed);
  const auto canonical_at = [&](uint32_t row, uint32_t block, uint32_t byte) {
    return canonical[row * 36 + block * 18 + byte];
  };
  // Row 5, block 1, scale; then its word 2, byte 3.
  EXPECT_EQ(packed[16 * 18 + 5 * 2 + 1], canonical_at(5, 1, 1));
  EXPECT_EQ(packed[16 * 18 + 32 + 2 * 64 + 5 * 4 + 3],
            canonical_at(5, 1, 2 + 2 * 4 + 3));
  // The last group has two rows and is interleaved by two.
  const uint32_t tail = 16 * 36;
  EXPECT_EQ(packed[tail + 2], canonical_at(17, 0, 0));
  EXPECT_EQ(packed[tail + 2 * 18 + 4 + 1 * 8 + 1 * 4 + 2],
            canonical_at(17, 1, 2 + 1 * 4 + 2));
}

TEST(HalfTest, EveryHalfSurvivesTheWayThroughFloat) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const bool nan = (half & 0x7fff) > 0x7c00;
    const uint32_t wanted = nan ? half | 0x200 : half;  // NaN becomes quiet
    EXPECT_EQ(HalfFromFloat(FloatFromHalf(static_cast<uint16_t>(half))),
              wanted);
  }
}

TEST(HalfTest, FloatsRoundToTheNearestHalfTiesToEven) {
  EXPECT_EQ(HalfFromFloat(65519.9f), 0x7bff);
  EXPECT_EQ(HalfFromFloat(65520.0f), 0x7c00);
  EXPECT_EQ(HalfFromFloat(-1e30f), 0xfc00);
  EXPECT_EQ(HalfFromFloat(0x1p-25f), 0);           // tie to zero
  EXPECT_EQ(HalfFromFloat(0x1.8p-24f), 2);         // tie to two
  EXPECT_EQ(HalfFromFloat(0x1.002p0f), 0x3c00);    // tie down
  EXPECT_EQ(HalfFromFloat(0x1.006p0f), 0x3c02);    // tie up
  EXPECT_EQ(HalfFromFloat(0x1.0021p0f), 0x3c01);   // above the tie
  EXPECT_EQ(HalfFromFloat(0x1.ffep-15f), 0x0400);  // up into the normals
  EXPECT_EQ(HalfFromFloat(-0.0f), 0x8000);
}

}  // namespace
}  // namespace shoal::kernels

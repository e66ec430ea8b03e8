#include "kernels/weight_type.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/type_table.h"

namespace shoal::kernels {
namespace {

TEST(WeightTypeTest, EverySupportedTypeIsFoundByItsGgufId) {
  for (const WeightType type : SupportedWeightTypes()) {
    const auto id = static_cast<uint32_t>(type);
    EXPECT_EQ(WeightTypeFromGgufId(id), type);
    EXPECT_EQ(GgufTypeName(id), std::string(InfoOf(type).name));
  }
}

TEST(WeightTypeTest, IdsWithoutSupportAreNotFoundButNamed) {
  EXPECT_EQ(WeightTypeFromGgufId(4), std::nullopt);
  EXPECT_EQ(WeightTypeFromGgufId(4000000000u), std::nullopt);
  EXPECT_EQ(GgufTypeName(16), "IQ2_XXS");
  EXPECT_EQ(GgufTypeName(23), "IQ4_XS");
  EXPECT_EQ(GgufTypeName(28), "F64");
  EXPECT_EQ(GgufTypeName(39), "MXFP4");
  EXPECT_EQ(GgufTypeName(4), "type 4");
  EXPECT_EQ(GgufTypeName(99), "type 99");
}

TEST(WeightTypeTest, EveryTypeIsEitherDecodedByBlocksOrWidened) {
  for (const TypeEntry& entry : TypeTable()) {
    EXPECT_NE(entry.decode == nullptr, entry.widen == nullptr)
        << entry.info.name;
    EXPECT_EQ(entry.info.block_elements == 1, entry.decode == nullptr)
        << entry.info.name;
  }
}

TEST(WeightTypeTest, BytesAreWholeBlocks) {
  EXPECT_EQ(BytesOf(WeightType::kF32, 3), 12u);
  EXPECT_EQ(BytesOf(WeightType::kQ4_0, 64), 36u);
  EXPECT_EQ(BytesOf(WeightType::kQ6_K, uint64_t{1} << 40),
            (uint64_t{1} << 32) * 210);
  EXPECT_DEATH(BytesOf(WeightType::kQ4_0, 33), "33 elements of Q4_0");
}

}  // namespace
}  // namespace shoal::kernels

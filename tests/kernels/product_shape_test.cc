// Products of many tokens go through columns in panels and through tokens in
// groups: whatever the numbers of both leave at the end, a token's bits are
// those that it has alone, and those are right.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/kernel_table.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::AllTables;
using testing::CaseName;
using testing::ExpectedProduct;
using testing::MakeActivations;
using testing::Packed;
using testing::Product;
using testing::RandomWeights;

constexpr uint32_t kRows = 33;  // two tiles, and one row of a third

// Tokens differ, and nothing lies behind the last one: a sanitizer sees what is
// read there.
void ExpectTokensAsAlone(const KernelTable& table, WeightType type,
                         uint32_t cols, uint32_t tokens) {
  SCOPED_TRACE(CaseName(table, type, Encoding::kA8) + ", " +
               std::to_string(cols) + " columns, " + std::to_string(tokens) +
               " tokens");
  std::mt19937 random(cols + tokens);
  const auto canonical = RandomWeights(type, kRows, cols, random);
  const auto packed = Packed(table, type, kRows, cols, canonical);
  const WeightMatrix matrix = {type, table.layout, kRows, cols, packed.data()};
  const auto input = MakeActivations(Encoding::kA8, tokens, cols, random);
  const ActivationView view = input.View();
  const std::vector<float> all = Product(table, matrix, view);
  for (uint32_t token = 0; token < tokens; ++token) {
    const auto alone = Product(table, matrix, view.Tokens(token, 1));
    ASSERT_EQ(std::memcmp(alone.data(), &all[uint64_t{token} * kRows],
                          kRows * sizeof(float)),
              0)
        << "token " << token;
  }
  const uint32_t last = tokens - 1;
  const uint64_t row_bytes = BytesOf(type, cols);
  for (const uint32_t row : {0u, 17u, 32u}) {
    const auto expected =
        ExpectedProduct(type, &canonical[row * row_bytes], view, last);
    ASSERT_NEAR(all[uint64_t{last} * kRows + row], expected.value,
                expected.tolerance)
        << "row " << row;
  }
}

TEST(ProductShapeTest, ATokenOfManyHasTheBitsThatItHasAlone) {
  for (const KernelTable* table : AllTables()) {
    for (const WeightType type : SupportedWeightTypes()) {
      if (InfoOf(type).encoding != Encoding::kA8) continue;
      const uint32_t block = InfoOf(type).block_elements;
      for (const uint32_t cols :
           {32u, 64u, 96u, 224u, 256u, 480u, 544u, 768u, 1024u, 1056u}) {
        if (cols % block != 0) continue;
        for (const uint32_t tokens : {2u, 3u, 6u, 7u, 13u}) {
          ExpectTokensAsAlone(*table, type, cols, tokens);
        }
      }
      ExpectTokensAsAlone(*table, type, std::max(block, 64u), 129);
    }
  }
}

}  // namespace
}  // namespace shoal::kernels

// The tables of one processor, which differ in how they sum integers, make the
// same bits: boards with and without the extensions may share a fleet.

#include <cstring>
#include <random>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::AllTables;
using testing::CaseName;

TEST(NeonTablesTest, AllMakeTheSameBits) {
  constexpr uint32_t kRows = 43, kCols = 512, kTokens = 15;
  const KernelTable& plain = **SelectKernels("neon");
  int compared = 0;
  for (const KernelTable* table : AllTables()) {
    if (!absl::StartsWith(table->isa, "neon-")) continue;
    for (const WeightType type : SupportedWeightTypes()) {
      std::mt19937 random(5);
      const auto canonical = testing::RandomWeights(type, kRows, kCols, random);
      const auto packed = testing::Packed(plain, type, kRows, kCols, canonical);
      const WeightMatrix matrix = {type, plain.layout, kRows, kCols,
                                   packed.data()};
      const Encoding encoding = InfoOf(type).encoding;
      const auto input =
          testing::MakeActivations(encoding, kTokens, kCols, random);
      std::vector<float> wanted(kTokens * kRows), got(kTokens * kRows);
      plain.product(matrix, 0, kRows, input.View(),
                    {ProductOutput::Mode::kStore, wanted.data(), kRows});
      table->product(matrix, 0, kRows, input.View(),
                     {ProductOutput::Mode::kStore, got.data(), kRows});
      EXPECT_EQ(
          std::memcmp(got.data(), wanted.data(), got.size() * sizeof(float)), 0)
          << CaseName(*table, type, encoding);
      ++compared;
    }
  }
  if (compared == 0) GTEST_SKIP() << "this processor runs one table only";
}

}  // namespace
}  // namespace shoal::kernels

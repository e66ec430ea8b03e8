#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "kernels/kernel_table.h"
#include "kernels/scalar.h"
#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::AllTables;
using testing::CaseName;
using testing::EncodingsOf;
using testing::ExpectedProduct;
using testing::GoldenDir;
using testing::MakeActivations;
using testing::Packed;
using testing::Product;
using testing::RandomWeights;

// Equal tokens of `value`, and of `other` in every second pair of neighbours.
ActivationBuffer PairsOf(int value, int other, uint32_t tokens, uint32_t cols) {
  ActivationBuffer input(Encoding::kA8, tokens, cols);
  input.Resize(tokens);
  for (uint32_t t = 0; t < tokens; ++t) {
    for (uint32_t i = 0; i < cols; ++i) {
      input.quants(t)[i] = static_cast<int8_t>(i / 2 % 2 == 0 ? value : other);
    }
    std::fill_n(input.scales(t), cols / kA8BlockElements, 1.0f);
    EXPECT_TRUE(SumQuants(input.quants(t), cols, input.sums(t)));
  }
  return input;
}

// Every table x type x encoding, with 331 rows (a tail of 11).
class ProductTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kRows = 331;
  static constexpr uint32_t kCols = 512;

  template <typename Check>
  void ForEachCase(const Check& check, uint32_t rows = kRows) {
    for (const KernelTable* table : AllTables()) {
      for (const WeightType type : SupportedWeightTypes()) {
        std::mt19937 random(7);
        const auto canonical = RandomWeights(type, rows, kCols, random);
        const auto packed = Packed(*table, type, rows, kCols, canonical);
        const WeightMatrix matrix = {type, table->layout, rows, kCols,
                                     packed.data()};
        for (const Encoding encoding : EncodingsOf(type)) {
          SCOPED_TRACE(CaseName(*table, type, encoding));
          const auto input = MakeActivations(encoding, 17, kCols, random);
          check(*table, canonical, matrix, input.View());
        }
      }
    }
  }
};

TEST_F(ProductTest, EqualsADoubleLoopOverTheDequantisedWeights) {
  ForEachCase([](const KernelTable& table, const auto& canonical,
                 const WeightMatrix& matrix, const ActivationView& view) {
    const ActivationView tokens = view.Tokens(0, 5);
    const std::vector<float> got = Product(table, matrix, tokens);
    const uint64_t row_bytes = BytesOf(matrix.type, kCols);
    for (uint32_t token = 0; token < tokens.tokens; ++token) {
      for (uint32_t row = 0; row < kRows; row += row < 320 ? 13 : 1) {
        const auto expected = ExpectedProduct(
            matrix.type, &canonical[row * row_bytes], tokens, token);
        ASSERT_NEAR(got[token * kRows + row], expected.value,
                    expected.tolerance)
            << "token " << token << " row " << row;
      }
    }
  });
}

TEST_F(ProductTest, BitsDoNotDependOnHowManyTokensGoTogether) {
  ForEachCase([](const KernelTable& table, const auto&,
                 const WeightMatrix& matrix, const ActivationView& view) {
    const std::vector<float> all = Product(table, matrix, view);
    for (const uint32_t count : {1u, 2u, 3u, 4u, 5u}) {
      for (uint32_t begin = 0; begin + count <= view.tokens; begin += count) {
        const auto part = Product(table, matrix, view.Tokens(begin, count));
        ASSERT_EQ(std::memcmp(part.data(), &all[uint64_t{begin} * kRows],
                              part.size() * sizeof(float)),
                  0)
            << count << " tokens from " << begin;
      }
    }
  });
}

TEST_F(ProductTest, BitsDoNotDependOnWhatIsReadNext) {
  const std::vector<std::byte> elsewhere(1 << 20);
  ForEachCase([&](const KernelTable& table, const auto&,
                  const WeightMatrix& matrix, const ActivationView& view) {
    const ActivationView token = view.Tokens(0, 1);
    WeightMatrix with_next = matrix;
    with_next.next = elsewhere.data();
    EXPECT_EQ(Product(table, with_next, token), Product(table, matrix, token));
  });
}

TEST_F(ProductTest, BitsDoNotDependOnTheRangeOfRows) {
  ForEachCase([](const KernelTable& table, const auto&,
                 const WeightMatrix& matrix, const ActivationView& view) {
    const std::vector<float> all = Product(table, matrix, view);
    std::vector<float> parts(all.size(), NAN);
    const ProductOutput output = {ProductOutput::Mode::kStore, parts.data(),
                                  kRows};
    table.product(matrix, 320, kRows, view, output);
    table.product(matrix, 16, 48, view, output);
    table.product(matrix, 48, 320, view, output);
    table.product(matrix, 0, 16, view, output);
    table.product(matrix, 32, 32, view, output);  // empty
    EXPECT_EQ(std::memcmp(parts.data(), all.data(), all.size() * sizeof(float)),
              0);
  });
}

TEST_F(ProductTest, BitsOfARowDoNotDependOnItsPlaceInTheMatrix) {
  for (const KernelTable* table : AllTables()) {
    for (const WeightType type : SupportedWeightTypes()) {
      std::mt19937 random(9);
      const auto canonical = RandomWeights(type, kRows, kCols, random);
      const uint64_t row_bytes = BytesOf(type, kCols);
      for (const Encoding encoding : EncodingsOf(type)) {
        SCOPED_TRACE(CaseName(*table, type, encoding));
        const auto input = MakeActivations(encoding, 5, kCols, random);
        const auto packed = Packed(*table, type, kRows, kCols, canonical);
        const auto all =
            Product(*table, {type, table->layout, kRows, kCols, packed.data()},
                    input.View());
        for (const uint32_t rows : {1u, 15u, 16u, 17u}) {
          const uint32_t first = 5;  // another lane than in the whole matrix
          const std::vector<std::byte> cut(
              canonical.begin() + first * row_bytes,
              canonical.begin() + (first + rows) * row_bytes);
          const auto cut_packed = Packed(*table, type, rows, kCols, cut);
          const auto part = Product(
              *table, {type, table->layout, rows, kCols, cut_packed.data()},
              input.View());
          for (uint32_t token = 0; token < 5; ++token) {
            ASSERT_EQ(
                std::memcmp(&part[token * rows], &all[token * kRows + first],
                            rows * sizeof(float)),
                0)
                << rows << " rows, token " << token;
          }
        }
      }
    }
  }
}

TEST_F(ProductTest, AddsToWhatIsThereInFloatAndInDouble) {
  ForEachCase([](const KernelTable& table, const auto&,
                 const WeightMatrix& matrix, const ActivationView& view) {
    const std::vector<float> product = Product(table, matrix, view);
    const uint64_t stride = kRows + 3;  // the gap must stay as it is
    std::vector<float> sum32(view.tokens * stride, 0.25f);
    std::vector<double> sum64(view.tokens * stride, 1e-9);
    table.product(matrix, 0, kRows, view,
                  {ProductOutput::Mode::kAdd, sum32.data(), stride});
    table.product(matrix, 0, kRows, view,
                  {ProductOutput::Mode::kAddF64, sum64.data(), stride});
    for (uint32_t token = 0; token < view.tokens; ++token) {
      for (uint64_t row = 0; row < stride; ++row) {
        const uint64_t at = token * stride + row;
        const float added = row < kRows ? product[token * kRows + row] : 0.0f;
        ASSERT_EQ(sum32[at], 0.25f + added) << token << " " << row;
        ASSERT_EQ(sum64[at], 1e-9 + double{added}) << token << " " << row;
      }
    }
  });
}

// The largest magnitudes that the formats allow: integer sums must not
// saturate or wrap anywhere. Sums of 16 bits, as AVX2 has them of every second
// pair of neighbours, are largest where the others are zero or, since offsets
// are taken off by the sum of all, the opposite. For one token and for as many
// as the widest loops take.
TEST_F(ProductTest, LargestQuantsDoNotOverflow) {
  const uint32_t rows = 16, cols = 256;
  for (const KernelTable* table : AllTables()) {
    for (const WeightType type : SupportedWeightTypes()) {
      if (InfoOf(type).encoding == Encoding::kF32) continue;
      for (const int fill : {0x00, 0x7f, 0x80, 0xff}) {
        std::vector<std::byte> canonical(BytesOf(type, rows * cols),
                                         static_cast<std::byte>(fill));
        const uint32_t block_bytes = InfoOf(type).block_bytes;
        for (uint64_t at = 0; at < canonical.size(); at += block_bytes) {
          testing::SetScale(type, &canonical[at], 1.0f);
        }
        const auto packed = Packed(*table, type, rows, cols, canonical);
        for (const int value : {-127, 127}) {
          for (const int other : {0, value, -value}) {
            const ActivationBuffer input = PairsOf(value, other, 7, cols);
            const auto expected =
                ExpectedProduct(type, canonical.data(), input.View(), 0);
            for (const uint32_t tokens : {1, 7}) {
              const auto got = Product(
                  *table, {type, table->layout, rows, cols, packed.data()},
                  input.View().Tokens(0, tokens));
              for (size_t at = 0; at < got.size(); ++at) {
                ASSERT_NEAR(got[at], expected.value, expected.tolerance)
                    << CaseName(*table, type, Encoding::kA8) << " fill " << fill
                    << " pairs of " << value << " and " << other << " at " << at
                    << " of " << tokens << " tokens";
              }
            }
          }
        }
      }
    }
  }
}

// What an instruction set without a product of its own for a type falls back
// to gives the bits of the plain product on canonical weights.
TEST(ProductTile16Test, EqualsTheCanonicalProductBitForBit) {
  constexpr uint32_t kRows = 43, kCols = 512;
  const KernelTable& scalar = **SelectKernels("scalar");
  for (const WeightType type : SupportedWeightTypes()) {
    std::mt19937 random(3);
    const auto canonical = RandomWeights(type, kRows, kCols, random);
    std::vector<std::byte> tiled(canonical.size());
    Pack(type, kRows, kCols, LayoutId::kTile16, canonical, tiled);
    for (const Encoding encoding : EncodingsOf(type)) {
      const auto input = MakeActivations(encoding, 3, kCols, random);
      const auto wanted = Product(
          scalar, {type, LayoutId::kCanonical, kRows, kCols, canonical.data()},
          input.View());
      std::vector<float> got(wanted.size(), NAN);
      const WeightMatrix matrix = {type, LayoutId::kTile16, kRows, kCols,
                                   tiled.data()};
      const ProductOutput output = {ProductOutput::Mode::kStore, got.data(),
                                    kRows};
      scalar::ProductTile16(matrix, 0, 16, input.View(), output);
      scalar::ProductTile16(matrix, 16, kRows, input.View(), output);
      EXPECT_EQ(
          std::memcmp(got.data(), wanted.data(), got.size() * sizeof(float)), 0)
          << CaseName(scalar, type, encoding);
    }
  }
}

// F32, F16 and BF16 rows need not be a multiple of anything.
TEST_F(ProductTest, FloatWeightsTakeAnyNumberOfColumns) {
  for (const KernelTable* table : AllTables()) {
    for (const WeightType type :
         {WeightType::kF32, WeightType::kF16, WeightType::kBF16}) {
      for (const uint32_t cols : {1u, 7u, 31u, 33u, 100u}) {
        for (const uint32_t rows : {3u, 16u}) {
          std::mt19937 random(cols);
          const auto canonical = RandomWeights(type, rows, cols, random);
          const auto packed = Packed(*table, type, rows, cols, canonical);
          const auto input = MakeActivations(Encoding::kF32, 3, cols, random);
          const WeightMatrix weights = {type, table->layout, rows, cols,
                                        packed.data()};
          const auto got = Product(*table, weights, input.View());
          for (uint32_t i = 0; i < got.size(); ++i) {
            const auto expected = ExpectedProduct(
                type, &canonical[i % rows * BytesOf(type, cols)], input.View(),
                i / rows);
            ASSERT_NEAR(got[i], expected.value, expected.tolerance)
                << CaseName(*table, type, Encoding::kF32) << " " << cols;
          }
          const auto alone =
              Product(*table, weights, input.View().Tokens(1, 1));
          EXPECT_TRUE(std::equal(alone.begin(), alone.end(), &got[rows]))
              << CaseName(*table, type, Encoding::kF32) << " " << cols;
        }
      }
    }
  }
}

TEST(ProductGoldenTest, EqualsTheReferenceDotProducts) {
  if (GoldenDir().empty()) GTEST_SKIP() << "SHOAL_GOLDEN_DIR is not set";
  const std::string dir = GoldenDir() + "/quant/";
  std::ifstream file(dir + "manifest.json");
  const nlohmann::json types = nlohmann::json::parse(file)["types"];
  const std::vector<float> x = testing::ReadFloats(dir + "x.f32");
  const auto cols = static_cast<uint32_t>(x.size());
  for (const KernelTable* table : AllTables()) {
    for (const WeightType type : SupportedWeightTypes()) {
      const std::string name(InfoOf(type).name);
      if (!types.contains(name)) continue;
      for (const char* set : {"quantised", "randbits"}) {
        const nlohmann::json& entry = types[name][set];
        const auto canonical =
            testing::ReadBytes(dir + std::string(entry["file"]));
        const auto rows = static_cast<uint32_t>(entry["rows"]);
        const auto packed = Packed(*table, type, rows, cols, canonical);
        ActivationBuffer input(Encoding::kF32, 1, cols);
        input.Resize(1);
        std::copy(x.begin(), x.end(), input.values(0));
        const auto got =
            Product(*table, {type, table->layout, rows, cols, packed.data()},
                    input.View());
        for (uint32_t row = 0; row < rows; ++row) {
          const double wanted = entry["dot_f64"][row];
          const uint64_t row_bytes = BytesOf(type, cols);
          const auto expected = ExpectedProduct(
              type, &canonical[row * row_bytes], input.View(), 0);
          // 12 digits are printed.
          ASSERT_NEAR(got[row], wanted,
                      expected.tolerance + std::abs(wanted) * 1e-11)
              << table->isa << " " << name << " " << set << " row " << row;
        }
      }
    }
  }
}

}  // namespace
}  // namespace shoal::kernels

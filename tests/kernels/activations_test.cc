#include "kernels/activations.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/kernels/kernel_testing.h"

namespace shoal::kernels {
namespace {

using testing::MakeActivations;

constexpr uint32_t kTokens = 3;
constexpr uint32_t kCols = 96;

std::vector<std::byte> Wire(const ActivationBuffer& buffer) {
  std::vector<std::byte> wire(buffer.tokens() *
                              WireBytes(buffer.encoding(), buffer.cols()));
  WriteWire(buffer.View(), wire);
  return wire;
}

TEST(ActivationsTest, WireFormCarriesValuesAndScalesAndTheSumsComeBack) {
  std::mt19937 random(1);
  for (const Encoding encoding : {Encoding::kF32, Encoding::kA8}) {
    ActivationBuffer sent = MakeActivations(encoding, kTokens, kCols, random);
    const std::vector<std::byte> wire = Wire(sent);
    EXPECT_EQ(wire.size(), encoding == Encoding::kF32 ? 3u * 384 : 3u * 108);
    ActivationBuffer got(encoding, kTokens + 1, kCols);
    ASSERT_TRUE(ReadWire(wire, kTokens, got));
    ASSERT_EQ(got.tokens(), kTokens);
    for (uint32_t token = 0; token < kTokens; ++token) {
      for (uint32_t col = 0; col < kCols; ++col) {
        EXPECT_EQ(testing::ActivationAt(got.View(), token, col),
                  testing::ActivationAt(sent.View(), token, col));
      }
      if (encoding == Encoding::kF32) continue;
      for (uint32_t half = 0; half < kCols / 16; ++half) {
        EXPECT_EQ(got.sums(token)[half], sent.sums(token)[half]);
      }
    }
  }
}

TEST(ActivationsTest, WireFormWithMinus128IsRefused) {
  std::mt19937 random(2);
  const ActivationBuffer sent =
      MakeActivations(Encoding::kA8, kTokens, kCols, random);
  std::vector<std::byte> wire = Wire(sent);
  wire.back() = std::byte{0x80};
  ActivationBuffer got(Encoding::kA8, kTokens, kCols);
  EXPECT_FALSE(ReadWire(wire, kTokens, got));
  wire.back() = std::byte{0x81};
  EXPECT_TRUE(ReadWire(wire, kTokens, got));
}

TEST(ActivationsTest, WireFormOfAnotherSizeIsRefused) {
  std::mt19937 random(3);
  const ActivationBuffer sent =
      MakeActivations(Encoding::kA8, kTokens, kCols, random);
  std::vector<std::byte> wire = Wire(sent);
  ActivationBuffer small(Encoding::kA8, kTokens - 1, kCols);
  EXPECT_FALSE(ReadWire(wire, kTokens, small));
  ActivationBuffer got(Encoding::kA8, kTokens, kCols);
  EXPECT_FALSE(ReadWire(wire, kTokens - 1, got));
  wire.pop_back();
  EXPECT_FALSE(ReadWire(wire, kTokens, got));
}

TEST(ActivationsTest, TokensOfAViewAreItsRows) {
  std::mt19937 random(4);
  for (const Encoding encoding : {Encoding::kF32, Encoding::kA8}) {
    ActivationBuffer buffer = MakeActivations(encoding, 5, kCols, random);
    const ActivationView part = buffer.View().Tokens(2, 3);
    EXPECT_EQ(part.tokens, 3u);
    if (encoding == Encoding::kF32) {
      EXPECT_EQ(part.values, buffer.values(2));
    } else {
      EXPECT_EQ(part.quants, buffer.quants(2));
      EXPECT_EQ(part.scales, buffer.scales(2));
      EXPECT_EQ(part.sums, buffer.sums(2));
    }
    EXPECT_DEATH(buffer.View().Tokens(2, 4), "2 \\+ 4 of 5");
  }
}

TEST(ActivationsTest, BytesForCountsEverythingKept) {
  EXPECT_EQ(ActivationBuffer::BytesFor(Encoding::kF32, 2, 64), 512u);
  EXPECT_EQ(ActivationBuffer::BytesFor(Encoding::kA8, 2, 64), 2u * (64 + 16));
}

}  // namespace
}  // namespace shoal::kernels

#include "parallel/pieces.h"

#include <gtest/gtest.h>

#include "parallel/plan.h"

namespace shoal::parallel {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

uint64_t SharedFor(uint32_t chunk_tokens, Payload payload, uint64_t hidden) {
  Plan plan;
  plan.chunk_tokens = chunk_tokens;
  plan.payload = payload;
  return SharedBytes(plan, hidden);
}

TEST(PiecesTest, APieceHasAtLeastOneTokenAndElseAQuarterOfAMebibyte) {
  EXPECT_EQ(PieceTokens(16 << 10), 16u);
  EXPECT_EQ(PiecePayloadMax(16 << 10), kPieceBytes);
  EXPECT_EQ(PieceTokens(3), kPieceBytes / 3);
  EXPECT_EQ(PieceTokens(kPieceBytes + 1), 1u);
  EXPECT_EQ(PiecePayloadMax(kPieceBytes + 1), kPieceBytes + 1);
}

TEST(PiecesTest, SharedMemoryHoldsTheSumsOfAPassWithTheirHeaders) {
  // 128 tokens of 16 KiB, in frames of 16.
  const uint64_t sums = SharedFor(128, Payload::kF64, 2048);
  EXPECT_GE(sums, 2 * kMiB + 8 * transport::kFrameHeaderBytes);
  EXPECT_LT(sums, 2 * kMiB + 4096);
  const uint64_t single = SharedFor(128, Payload::kF32, 2048);
  EXPECT_GE(single, kMiB);
  EXPECT_LT(single, kMiB + 4096);
}

TEST(PiecesTest, SharedMemoryIsBoundedAndNoneForSmallFrames) {
  EXPECT_EQ(SharedFor(4096, Payload::kF64, 8192), 4 * kMiB);
  EXPECT_EQ(SharedFor(127, Payload::kF64, 64), 0u);
  EXPECT_GT(SharedFor(128, Payload::kF64, 64), 0u);
}

}  // namespace
}  // namespace shoal::parallel

#include "parallel/pieces.h"

#include <gtest/gtest.h>

#include "parallel/plan.h"
#include "transport/frame.h"
#include "transport/shared_area.h"

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
  EXPECT_LT(sums, 2 * kMiB + kPieceBytes + 4096);
  const uint64_t single = SharedFor(128, Payload::kF32, 2048);
  EXPECT_GE(single, kMiB);
  EXPECT_LT(single, kMiB + kPieceBytes + 4096);
}

// The receiver has the last piece of a block until it takes one of the next.
TEST(PiecesTest, ABlockFitsBesideTheLastPieceOfTheOneBefore) {
  auto area =
      transport::SharedArea::Create(SharedFor(128, Payload::kF64, 2048));
  ASSERT_TRUE(area.ok()) << area.status();
  auto reader = transport::AttachedArea::Attach(area->path(), area->nonce(),
                                                area->size());
  ASSERT_TRUE(reader.ok()) << reader.status();
  const uint64_t frame_bytes =
      transport::kFrameHeaderBytes + PiecePayloadMax(16 << 10);
  for (int block = 0; block < 20; ++block) {
    for (int piece = 0; piece < 8; ++piece) {
      ASSERT_FALSE(area->Take(frame_bytes).bytes.empty()) << block << piece;
    }
    for (int piece = block == 0 ? 1 : 0; piece < 8; ++piece) reader->Release();
  }
}

TEST(PiecesTest, SharedMemoryIsBoundedAndNoneForSmallFrames) {
  EXPECT_EQ(SharedFor(4096, Payload::kF64, 8192), 4 * kMiB);
  EXPECT_EQ(SharedFor(127, Payload::kF64, 64), 0u);
  EXPECT_GT(SharedFor(128, Payload::kF64, 64), 0u);
}

}  // namespace
}  // namespace shoal::parallel

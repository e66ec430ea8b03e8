#include "parallel/memory_need.h"

#include "base/byte_size.h"
#include "gtest/gtest.h"
#include "parallel/rank.h"
#include "tests/parallel/fake_units.h"

namespace shoal::parallel {
namespace {

ModelDimensions Dimensions() {
  ModelDimensions dimensions;
  dimensions.hidden = 64;
  dimensions.vocabulary = 1000;
  dimensions.layer_count = 1;
  dimensions.unit_scratch_floats = 96;
  dimensions.input_bytes = 64 + 2 * 6;
  return dimensions;
}

// One layer: hub, 2 attention, 2 ffn; hub, 2 head. Rank 1 has attention 1,
// ffn 1 and head 1; the units take 10 pages each.
class MemoryNeedTest : public ::testing::Test {
 protected:
  MemoryNeedTest() {
    units_ = FakeUnits({.layers = 1,
                        .kv_groups = 2,
                        .ffn_units = 2,
                        .head_units = 2,
                        .unit_bytes = 40000,
                        .unit_macs = 64 * 500});
    plan_.device_names = {"a", "b"};
    plan_.stages = {{0, 0, 1}, {0, 1, 2}};
    plan_.ranges = {{0, 1, 2}, {1, 2, 3}, {0, 3, 4},
                    {1, 4, 5}, {0, 6, 7}, {1, 7, 8}};
  }

  MemoryNeed Need(uint32_t rank) const {
    return NeedOf(plan_, rank, units_, Dimensions(), options_);
  }

  std::vector<base::UnitSpec> units_;
  Plan plan_;
  RunOptions options_;
};

TEST_F(MemoryNeedTest, KvIsOfWholePagesAndOfTheRanksOwnUnits) {
  options_.context_positions = 33;
  EXPECT_EQ(Need(1).kv, 64u * 128 * 2);
  options_.kv = KvFormat::kF32;
  EXPECT_EQ(Need(1).kv, 64u * 128 * 4);
}

TEST_F(MemoryNeedTest, EverySessionHasPagesForTheWholeContext) {
  options_.context_positions = 33;
  options_.session_count = 3;
  EXPECT_EQ(Need(1).kv, 3u * 64 * 128 * 2);
}

TEST_F(MemoryNeedTest, KvInQ8HasAScaleForEachBlockOf32) {
  options_.kv = KvFormat::kQ8;
  options_.context_positions = 33;
  units_[2].kv_elements = 2048;
  units_[2].kv_blocks = 64;
  EXPECT_EQ(Need(1).kv, 2 * 32u * (2048 + 2 * 64));
  units_[2].kv_blocks = 65;  // where the last of a key is shorter
  EXPECT_EQ(Need(1).kv, 2u * 18 * 4096) << "whole pages of the system";
}

TEST_F(MemoryNeedTest, WeightsAreCountedInWholePages) {
  EXPECT_EQ(Need(1).share, 3u * 40960);
  EXPECT_EQ(Need(1).window_min, 2u * 40960 + 4096);
  EXPECT_EQ(Need(1).hub_units, 2u * 4096);
}

TEST_F(MemoryNeedTest, ARankWithOneUnitNeedsAWindowOfOne) {
  plan_.ranges[3].rank = plan_.ranges[5].rank = 0;
  EXPECT_EQ(Need(1).window_min, 40960u + 4096);
}

TEST_F(MemoryNeedTest, ARankWithoutUnitsNeedsNoWindowAndNoActivations) {
  for (UnitRange& range : plan_.ranges) range.rank = 0;
  EXPECT_EQ(Need(1).window_min, 0u);
  EXPECT_EQ(Need(1).activations, 0u);
  EXPECT_EQ(Need(1).share, 0u);
}

TEST_F(MemoryNeedTest, ActivationsOfALeafAreWhatItComputesWith) {
  plan_.chunk_tokens = 2;
  // Input 64 + 2 * 6, sum 64 * 8, scratch 96 * 4 + 5 * (96 + 3 * 8), per token;
  // logits of 500 rows.
  EXPECT_EQ(Need(1).activations, 2u * (76 + 512 + 984) + 500 * 4);
  plan_.payload = Payload::kF32;
  EXPECT_EQ(Need(1).activations, 2u * (76 + 256 + 984) + 500 * 4);
}

TEST_F(MemoryNeedTest, ScratchIsOfOneTileWhateverTheChunk) {
  plan_.chunk_tokens = 128;
  const uint64_t tile = Need(1).activations;
  plan_.chunk_tokens = 256;
  EXPECT_EQ(Need(1).activations - tile, 128u * (76 + 512));
}

TEST_F(MemoryNeedTest, ScratchIsOfAnEvenNumberOfTokens) {
  plan_.chunk_tokens = 3;
  const uint64_t three = Need(1).activations;
  plan_.chunk_tokens = 4;
  EXPECT_EQ(Need(1).activations - three, 76u + 512) << "nothing for scratch";
}

TEST_F(MemoryNeedTest, TheHubHoldsResidualAndLogitsToo) {
  EXPECT_EQ(Need(0).activations - Need(1).activations, 3u * 64 * 4 + 1000 * 4);
}

// A token's input is 64 + 2 * 6 bytes, its partial sum 64 * 8; a frame has a
// header of 64.
TEST_F(MemoryNeedTest, TransportOfALeafIsABlockEachWayAndAPieceInTheMaking) {
  plan_.chunk_tokens = 100;
  EXPECT_EQ(Need(1).transport, (100u * 76 + 64) + (100 * 512 + 64) + 100 * 512);
  plan_.payload = Payload::kF32;
  EXPECT_EQ(Need(1).transport, (100u * 76 + 64) + (100 * 256 + 64) + 100 * 256);
}

TEST_F(MemoryNeedTest, ALongBlockWaitsInEighteenPieces) {
  const uint64_t piece = base::kMiB / 4;
  plan_.chunk_tokens = 4096;  // partial sums of 2 MiB: 8 pieces; 2 of the input
  EXPECT_EQ(Need(1).transport,
            (4096u * 76 + 2 * 64) + 8 * (piece + 64) + piece);
  plan_.chunk_tokens = 1 << 20;  // 2048 pieces; 304 of the input
  const uint64_t input_piece = piece / 76 * 76;
  EXPECT_EQ(Need(1).transport,
            18u * (input_piece + 64) + 18 * (piece + 64) + piece);
}

TEST_F(MemoryNeedTest, OneRowOfLogitsMayBeWhatALeafSendsMost) {
  plan_.chunk_tokens = 1;
  EXPECT_EQ(Need(1).transport, (76u + 64) + (500 * 4 + 64) + 512);
}

TEST_F(MemoryNeedTest, UnderThePlainStarAndBetweenStagesInputsAreF32) {
  plan_.chunk_tokens = 100;
  const uint64_t fused = Need(1).transport;
  plan_.collective = Collective::kStar;
  EXPECT_EQ(Need(1).transport - fused, 100u * (256 - 76));
  plan_.collective = Collective::kFusedStar;
  plan_.stages[0].hub = 1;
  plan_.ranges[0].rank = plan_.ranges[2].rank = 1;  // rank 0: the head's hub
  EXPECT_EQ(Need(0).transport,
            (100u * 256 + 64) + (100 * 512 + 64) + 100 * 512);
}

TEST_F(MemoryNeedTest, AHubHasALinkToEveryOtherRank) {
  plan_.chunk_tokens = 100;
  const uint64_t one = Need(0).transport - 100 * 512;
  EXPECT_EQ(one, Need(1).transport - 100 * 512);
  plan_.device_names = {"a", "b", "c", "d"};
  EXPECT_EQ(Need(0).transport - 100 * 512, 3 * one);
}

// Both directions of each link: the sums of a pass and a piece, with their
// headers, and a page.
TEST_F(MemoryNeedTest, MemoryThatRanksShareIsCounted) {
  plan_.chunk_tokens = 1024;  // partial sums of 512 KiB
  const uint64_t leaf = Need(1).transport;
  const uint64_t hub = Need(0).transport;
  options_.share_memory = true;
  const uint64_t more = Need(1).transport - leaf;
  const uint64_t sums_and_piece = (512u + 256u) << 10;
  EXPECT_GE(more, 2 * sums_and_piece);
  EXPECT_LE(more, 2 * (sums_and_piece + 8192));
  EXPECT_EQ(Need(0).transport - hub, more);
  options_.seal_links = true;
  const uint64_t sealed = Need(1).transport;
  options_.share_memory = false;
  EXPECT_EQ(Need(1).transport, sealed);
  options_.seal_links = false;
  options_.share_memory = true;
  options_.transport = Transport::kZmq;
  EXPECT_EQ(Need(1).transport, leaf);
  options_.transport = Transport::kTcp;
  plan_.chunk_tokens = 100;  // no frame is large enough
  const uint64_t small = Need(1).transport;
  options_.share_memory = false;
  EXPECT_EQ(Need(1).transport, small);
}

TEST_F(MemoryNeedTest, ARankAloneHasNoTransport) {
  plan_.device_names = {"a"};
  for (UnitRange& range : plan_.ranges) range.rank = 0;
  EXPECT_EQ(Need(0).transport, 0u);
}

}  // namespace
}  // namespace shoal::parallel

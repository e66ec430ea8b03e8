#include "transport/receive_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "transport/frame.h"

namespace shoal::transport {
namespace {

constexpr uint64_t kPayloadBytesMax = 300'000;

std::vector<std::byte> FrameOf(size_t payload_bytes, uint32_t seed) {
  std::vector<std::byte> frame(kFrameHeaderBytes + payload_bytes);
  std::mt19937 random(seed);
  for (size_t i = kFrameHeaderBytes; i < frame.size(); ++i)
    frame[i] = static_cast<std::byte>(random());
  const std::span<std::byte> bytes(frame);
  EncodeFrameHeader({}, bytes.subspan(kFrameHeaderBytes),
                    bytes.first<kFrameHeaderBytes>());
  return frame;
}

bool IsAligned(std::span<const std::byte> bytes) {
  return reinterpret_cast<uintptr_t>(bytes.data()) % 8 == 0;
}

// Whatever the sizes of frames and of reads, and whether frames are taken at
// once or left waiting.
TEST(ReceiveBufferTest, CutsAnyStreamIntoItsFrames) {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    ReceiveBuffer buffer(kPayloadBytesMax, 3);
    std::deque<std::byte> wire;
    std::deque<std::vector<std::byte>> sent;
    std::vector<std::byte> in_use;
    std::span<const std::byte> view;
    for (int step = 0; step < 400; ++step) {
      if (wire.size() < 500'000) {
        const uint32_t most[] = {1, 200, 9000, 300'000};
        const size_t size = random() % (most[random() % 4] + 1);
        sent.push_back(FrameOf(size, random()));
        wire.insert(wire.end(), sent.back().begin(), sent.back().end());
      }
      const auto room = buffer.Room();
      const size_t count =
          std::min({room.size(), wire.size(), size_t{1} + random() % 90'000});
      std::copy_n(wire.begin(), count, room.begin());
      wire.erase(wire.begin(), wire.begin() + static_cast<long>(count));
      buffer.Filled(count);
      ASSERT_TRUE(std::ranges::equal(view, in_use)) << "overwritten";
      if (random() % 3 == 0) continue;
      buffer.Release();
      view = {};
      in_use.clear();
      const auto frame = buffer.Next();
      if (!frame) {
        ASSERT_FALSE(buffer.Room().empty()) << "stuck";
        continue;
      }
      ASSERT_TRUE(IsAligned(*frame));
      ASSERT_FALSE(sent.empty());
      ASSERT_TRUE(std::ranges::equal(*frame, sent.front())) << "seed " << seed;
      view = *frame;
      in_use = sent.front();
      sent.pop_front();
    }
  }
}

TEST(ReceiveBufferTest, LongFrameIsReadToItsEndAndNoFurther) {
  ReceiveBuffer buffer(kPayloadBytesMax, 1);
  const auto frame = FrameOf(kPayloadBytesMax, 1);
  std::copy_n(frame.begin(), 1000, buffer.Room().begin());
  buffer.Filled(1000);
  EXPECT_EQ(buffer.Room().size(), frame.size() - 1000);
}

TEST(ReceiveBufferTest, FullBufferHasNoRoomUntilTheFrameIsReleased) {
  ReceiveBuffer buffer(1000, 1);
  for (int i = 0; i < 2; ++i) {
    const auto frame = FrameOf(1000, 1);
    ASSERT_GE(buffer.Room().size(), frame.size());
    std::copy(frame.begin(), frame.end(), buffer.Room().begin());
    buffer.Filled(frame.size());
  }
  ASSERT_TRUE(buffer.Next());
  EXPECT_TRUE(buffer.Room().empty());
  buffer.Release();
  EXPECT_GE(buffer.Room().size(), 1000u);
}

TEST(ReceiveBufferTest, FrameBeyondTheLimitIsGivenAtOnceToBeRefused) {
  ReceiveBuffer buffer(100, 1);
  const auto frame = FrameOf(101, 1);
  std::copy_n(frame.begin(), 80, buffer.Room().begin());
  buffer.Filled(80);
  const auto given = buffer.Next();
  ASSERT_TRUE(given);
  EXPECT_EQ(DecodeFrame(*given, 100).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace shoal::transport

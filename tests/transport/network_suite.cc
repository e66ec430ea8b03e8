#include "tests/transport/network_suite.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <future>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace shoal::transport {

using ::shoal::testing::ConnectRanks;
using ::testing::HasSubstr;

absl::Status ChannelTestPeer::Send(Channel& channel, const FrameHeader& header,
                                   std::span<const std::byte> payload) {
  std::array<std::byte, kFrameHeaderBytes> bytes;
  EncodeFrameHeader(header, payload, bytes);
  return channel.SendBytes(bytes, payload, absl::Now() + absl::Seconds(10));
}

absl::Status ChannelTestPeer::SendBytes(Channel& channel,
                                        const std::vector<std::byte>& frame) {
  const auto bytes = std::span<const std::byte>(frame);
  return channel.SendBytes(bytes.first<kFrameHeaderBytes>(),
                           bytes.subspan(kFrameHeaderBytes),
                           absl::Now() + absl::Seconds(10));
}

void NetworkTest::Connect(uint32_t rank_count, uint32_t high_water_mark,
                          uint64_t payload_bytes_max) {
  auto groups = ConnectRanks(
      [this](const NetworkOptions& options) { return factory_->Make(options); },
      rank_count,
      [=](NetworkOptions& options) {
        options.payload_bytes_max = payload_bytes_max;
        options.high_water_mark = high_water_mark;
      });
  ASSERT_TRUE(groups.ok()) << groups.status();
  groups_ = std::move(*groups);
}

FrameHeader NetworkTest::NextHeader(uint64_t sequence) {
  FrameHeader header;
  header.type = FrameType::kInput;
  header.epoch = groups_[0]->epoch();
  header.rank = 0;
  header.sequence = sequence;
  return header;
}

namespace {

constexpr uint64_t kPayloadBytesMax = NetworkTest::kPayloadBytesMax;

// Long enough for a busy machine, short enough to end a hanging test.
absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

std::vector<std::byte> Pattern(size_t size, uint32_t seed) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::byte>(i * 31 + seed * 17 + i / 251);
  return bytes;
}

FrameHeader Header(uint64_t pass, uint32_t layer = 0) {
  FrameHeader header;
  header.type = FrameType::kInput;
  header.pass = pass;
  header.layer = layer;
  return header;
}

absl::Status SendTo(ChannelGroup& group, uint32_t rank, uint64_t pass,
                    absl::Time deadline = Soon()) {
  return group.To(rank).Send(Header(pass), Pattern(8, 1), deadline);
}

void ExpectError(const absl::Status& status, absl::StatusCode code,
                 const std::string& text) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

TEST_P(NetworkTest, FramesArriveInOrderWithTheirHeader) {
  Connect(2);
  constexpr uint32_t kFrames = 200;
  std::thread sender([&] {
    for (uint32_t i = 0; i < kFrames; ++i) {
      FrameHeader header = Header(5, i);
      header.phase = i % 3;
      header.tokens = i;
      header.offset = 2 * i;
      EXPECT_TRUE(groups_[1]->To(0).Send(header, Pattern(i, i), Soon()).ok());
    }
  });
  for (uint32_t i = 0; i < kFrames; ++i) {
    const auto frame = groups_[0]->To(1).Receive(Soon());
    ASSERT_TRUE(frame.ok()) << frame.status();
    FrameHeader expected = Header(5, i);
    expected.phase = i % 3;
    expected.tokens = i;
    expected.offset = 2 * i;
    EXPECT_TRUE(ExpectFrame(frame->header, expected).ok());
    EXPECT_EQ(frame->header.rank, 1u);
    EXPECT_EQ(frame->header.epoch, 7u);
    EXPECT_TRUE(std::ranges::equal(frame->payload, Pattern(i, i)));
  }
  sender.join();
}

TEST_P(NetworkTest, EverySizeUpToTheLimitArrivesAlignedAndWhole) {
  Connect(2);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{8192},
                            kPayloadBytesMax - 1, kPayloadBytesMax}) {
    const auto sent = Pattern(size, 3);
    ASSERT_TRUE(groups_[0]->To(1).Send(Header(1), sent, Soon()).ok());
    const auto frame = groups_[1]->To(0).Receive(Soon());
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_TRUE(std::ranges::equal(frame->payload, sent)) << size << " bytes";
    EXPECT_EQ(frame->header.payload_bytes, size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(frame->payload.data()) % 8, 0u);
  }
}

TEST_P(NetworkTest, TooLargeIsRefusedAndTheLinkGoesOn) {
  Connect(2);
  ExpectError(groups_[0]->To(1).Send(Header(1),
                                     Pattern(kPayloadBytesMax + 1, 1), Soon()),
              absl::StatusCode::kInvalidArgument,
              "frame for rank 1 (device-1): payload of 100001 bytes, allowed: "
              "<= 100000");
  ASSERT_TRUE(SendTo(*groups_[0], 1, 42).ok());
  const auto frame = groups_[1]->To(0).Receive(Soon());
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->header.pass, 42u);
}

TEST_P(NetworkTest, DeadlineNamesThePeerAndCanBeRepeated) {
  Connect(2);
  const auto nothing =
      groups_[0]->To(1).Receive(absl::Now() + absl::Milliseconds(30));
  ExpectError(nothing.status(), absl::StatusCode::kDeadlineExceeded,
              "rank 1 (device-1) sent nothing for ");
  ASSERT_TRUE(SendTo(*groups_[1], 0, 1).ok());
  EXPECT_TRUE(groups_[0]->To(1).Receive(Soon()).ok());
}

TEST_P(NetworkTest, WhatHasArrivedIsGivenEvenAfterTheDeadline) {
  Connect(2);
  ASSERT_TRUE(SendTo(*groups_[1], 0, 1).ok());
  ASSERT_TRUE(SendTo(*groups_[1], 0, 2).ok());
  ASSERT_TRUE(groups_[0]->To(1).Receive(Soon()).ok());
  absl::Status second;
  // Sockets need a moment; no call below waits.
  for (const absl::Time end = Soon(); absl::Now() < end;) {
    second = groups_[0]->To(1).Receive(absl::InfinitePast()).status();
    if (!absl::IsDeadlineExceeded(second)) break;
  }
  EXPECT_TRUE(second.ok()) << second;
}

TEST_P(NetworkTest, SendWaitsForThePeerThatDoesNotReadAndLosesNothing) {
  Connect(2, /*high_water_mark=*/1);
  const auto payload = Pattern(kPayloadBytesMax, 9);
  uint32_t sent = 0;
  absl::Status status;
  while (status.ok() && sent < 2000) {
    status = groups_[0]->To(1).Send(Header(sent), payload,
                                    absl::Now() + absl::Milliseconds(200));
    if (status.ok()) ++sent;
  }
  ExpectError(status, absl::StatusCode::kDeadlineExceeded,
              "rank 1 (device-1) took no frame for ");
  // The refused frame was not sent, and the link goes on: the sender's next
  // call moves what is still with it.
  auto next = std::async(std::launch::async,
                         [&] { return SendTo(*groups_[0], 1, 4242); });
  for (uint32_t i = 0; i <= sent; ++i) {
    const auto frame = groups_[1]->To(0).Receive(Soon());
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_EQ(frame->header.pass, i < sent ? i : 4242u);
    if (i == sent) break;
    EXPECT_TRUE(std::ranges::equal(frame->payload, payload));
  }
  EXPECT_TRUE(next.get().ok());
}

TEST_P(NetworkTest, TwoRanksThatSendToEachOtherAtOnceDoNotBlock) {
  // More than a kernel holds on the way.
  constexpr uint64_t kLarge = 24'000'000;
  Connect(2, /*high_water_mark=*/4, kLarge);
  const auto payload = Pattern(kLarge, 9);
  const auto swap = [&](uint32_t rank) {
    Channel& peer = groups_[rank]->To(1 - rank);
    for (uint64_t pass = 0; pass < 3; ++pass) {
      // The view that the echo sends must outlast what is read meanwhile.
      const absl::Status sent = peer.Send(Header(pass), payload, Soon());
      if (!sent.ok()) return sent;
      const auto frame = peer.Receive(Soon());
      if (!frame.ok()) return frame.status();
      if (!std::ranges::equal(frame->payload, payload))
        return absl::DataLossError("another payload");
      const absl::Status echo = peer.Send(Header(pass), frame->payload, Soon());
      if (!echo.ok()) return echo;
      if (!std::ranges::equal(frame->payload, payload))
        return absl::DataLossError("the view changed while it was sent");
      const auto back = peer.Receive(Soon());
      if (!back.ok()) return back.status();
    }
    return absl::OkStatus();
  };
  auto other = std::async(std::launch::async, [&] { return swap(1); });
  EXPECT_EQ(swap(0), absl::OkStatus());
  EXPECT_EQ(other.get(), absl::OkStatus());
}

TEST_P(NetworkTest, PeerThatClosesIsUnavailableAndStaysSo) {
  Connect(2);
  auto waiting = std::async(std::launch::async, [&] {
    return groups_[0]->To(1).Receive(Soon()).status();
  });
  groups_[1].reset();
  const absl::Time closed = absl::Now();
  ExpectError(waiting.get(), absl::StatusCode::kUnavailable,
              "rank 1 (device-1) closed");
  EXPECT_LT(absl::Now() - closed, absl::Seconds(2));
  ExpectError(groups_[0]->To(1).Receive(Soon()).status(),
              absl::StatusCode::kUnavailable, "rank 1 (device-1) closed");
  ExpectError(SendTo(*groups_[0], 1, 1), absl::StatusCode::kUnavailable,
              "rank 1 (device-1) closed");
}

TEST_P(NetworkTest, SendToAPeerThatClosedEndsUnavailable) {
  Connect(2, /*high_water_mark=*/1);
  groups_[1].reset();
  // The first frames may still find room.
  absl::Status status;
  for (int i = 0; status.ok() && i < 2000; ++i)
    status = SendTo(*groups_[0], 1, i);
  ExpectError(status, absl::StatusCode::kUnavailable,
              "rank 1 (device-1) closed");
}

TEST_P(NetworkTest, AbortUnblocksReceivePromptly) {
  Connect(3);
  auto waiting = std::async(std::launch::async, [&] {
    return groups_[0]->To(1).Receive(absl::InfiniteFuture()).status();
  });
  // Gives the other thread time to block; right in either case.
  EXPECT_FALSE(
      groups_[0]->To(2).Receive(absl::Now() + absl::Milliseconds(50)).ok());
  const absl::Time aborted = absl::Now();
  groups_[0]->Abort(absl::AbortedError("device-2 left: epoch 8 follows"));
  EXPECT_EQ(waiting.get(),
            absl::AbortedError("device-2 left: epoch 8 follows"));
  EXPECT_LT(absl::Now() - aborted, absl::Milliseconds(500));
  groups_[0]->Abort(absl::InternalError("too late"));
  EXPECT_EQ(groups_[0]->To(2).Receive(Soon()).status(),
            absl::AbortedError("device-2 left: epoch 8 follows"));
  EXPECT_EQ(SendTo(*groups_[0], 1, 1),
            absl::AbortedError("device-2 left: epoch 8 follows"));
}

TEST_P(NetworkTest, AbortUnblocksSendPromptly) {
  Connect(2, /*high_water_mark=*/1);
  auto waiting = std::async(std::launch::async, [&] {
    const auto payload = Pattern(kPayloadBytesMax, 9);
    absl::Status status;
    for (int i = 0; status.ok() && i < 2000; ++i) {
      status =
          groups_[0]->To(1).Send(Header(1), payload, absl::InfiniteFuture());
    }
    return status;
  });
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(300)),
            std::future_status::timeout);
  const absl::Time aborted = absl::Now();
  groups_[0]->Abort(absl::CancelledError("interrupt"));
  EXPECT_EQ(waiting.get(), absl::CancelledError("interrupt"));
  EXPECT_LT(absl::Now() - aborted, absl::Milliseconds(500));
}

TEST_P(NetworkTest, FrameOfAnOlderEpochIsDropped) {
  Connect(2);
  FrameHeader old = NextHeader();
  old.epoch -= 1;
  ASSERT_TRUE(ChannelTestPeer::Send(groups_[0]->To(1), old, {}).ok());
  ASSERT_TRUE(SendTo(*groups_[0], 1, 42).ok());
  const auto frame = groups_[1]->To(0).Receive(Soon());
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->header.pass, 42u);
}

TEST_P(NetworkTest, FrameOfANewerEpochIsAnError) {
  Connect(2);
  FrameHeader header = NextHeader();
  header.epoch += 1;
  ASSERT_TRUE(ChannelTestPeer::Send(groups_[0]->To(1), header, {}).ok());
  ExpectError(groups_[1]->To(0).Receive(Soon()).status(),
              absl::StatusCode::kFailedPrecondition,
              "rank 0 (device-0): frame of epoch 8, this device is at 7");
}

TEST_P(NetworkTest, MissingAndRepeatedFramesAreErrors) {
  for (const uint64_t sequence : {0, 2}) {
    Connect(2);
    ASSERT_TRUE(
        ChannelTestPeer::Send(groups_[0]->To(1), NextHeader(sequence), {})
            .ok());
    ExpectError(groups_[1]->To(0).Receive(Soon()).status(),
                absl::StatusCode::kUnavailable,
                absl::StrCat("rank 0 (device-0): the link lost or repeated "
                             "frames: got number ",
                             sequence, ", wanted 1"));
    // Final, although the next frame would be the wanted one.
    ASSERT_TRUE(SendTo(*groups_[0], 1, 1).ok());
    ExpectError(groups_[1]->To(0).Receive(Soon()).status(),
                absl::StatusCode::kUnavailable, "lost or repeated");
  }
}

TEST_P(NetworkTest, DamagedFrameIsDataLoss) {
  Connect(2);
  ASSERT_TRUE(ChannelTestPeer::SendBytes(groups_[0]->To(1),
                                         Pattern(kFrameHeaderBytes + 20, 3))
                  .ok());
  ExpectError(groups_[1]->To(0).Receive(Soon()).status(),
              absl::StatusCode::kDataLoss, "rank 0 (device-0): frame of ");
}

TEST_P(NetworkTest, FrameInTheNameOfAnotherRankIsRefused) {
  Connect(3);
  FrameHeader header = NextHeader();
  header.rank = 2;
  ASSERT_TRUE(ChannelTestPeer::Send(groups_[0]->To(1), header, {}).ok());
  ExpectError(groups_[1]->To(0).Receive(Soon()).status(),
              absl::StatusCode::kInvalidArgument, "rank is 2, allowed: 0");
}

TEST_P(NetworkTest, SendAbortReachesThePeerWithItsReason) {
  Connect(2);
  ASSERT_TRUE(
      groups_[0]
          ->To(1)
          .SendAbort(absl::DeadlineExceededError("disk is hung"), Soon())
          .ok());
  for (int i = 0; i < 2; ++i) {
    ExpectError(groups_[1]->To(0).Receive(Soon()).status(),
                absl::StatusCode::kDeadlineExceeded,
                "rank 0 (device-0): gave up: disk is hung");
  }
}

TEST_P(NetworkTest, CountersAreTheBytesOfTheFrames) {
  Connect(3);
  for (const size_t size : {0, 10, 1000}) {
    ASSERT_TRUE(
        groups_[0]->To(1).Send(Header(1), Pattern(size, 1), Soon()).ok());
    ASSERT_TRUE(groups_[1]->To(0).Receive(Soon()).ok());
  }
  ASSERT_TRUE(groups_[0]->To(2).Send(Header(1), {}, Soon()).ok());
  EXPECT_EQ(groups_[0]->To(1).bytes_sent(), 3 * kFrameHeaderBytes + 1010);
  EXPECT_EQ(groups_[0]->bytes_sent(), 4 * kFrameHeaderBytes + 1010);
  EXPECT_EQ(groups_[0]->bytes_received(), 0u);
  EXPECT_EQ(groups_[1]->bytes_received(), 3 * kFrameHeaderBytes + 1010);
}

TEST_P(NetworkTest, EveryRankReachesEveryOther) {
  for (const uint32_t rank_count : {1, 2, 3, 4, 7}) {
    Connect(rank_count);
    std::vector<std::thread> ranks;
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      ranks.emplace_back([&, rank] {
        EXPECT_EQ(groups_[rank]->peers().size(), rank_count - 1);
        for (const uint32_t peer : groups_[rank]->peers())
          EXPECT_TRUE(SendTo(*groups_[rank], peer, 100 * rank + peer).ok());
        for (const uint32_t peer : groups_[rank]->peers()) {
          const auto frame = groups_[rank]->To(peer).Receive(Soon());
          ASSERT_TRUE(frame.ok()) << frame.status();
          EXPECT_EQ(frame->header.pass, 100 * peer + rank);
        }
      });
    }
    for (std::thread& rank : ranks) rank.join();
  }
}

}  // namespace
}  // namespace shoal::transport

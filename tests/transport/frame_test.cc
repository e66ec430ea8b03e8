#include "transport/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/crc32c.h"

namespace shoal::transport {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPayloadBytesMax = 32;

FrameHeader SampleHeader() {
  FrameHeader header;
  header.type = FrameType::kInput;
  header.epoch = 0x0102030405060708;
  header.pass = 0x1112131415161718;
  header.sequence = 0x2122232425262728;
  header.layer = 0x3132;
  header.phase = 0x41;
  header.rank = 0x051;
  header.tokens = 0x6162;
  header.offset = 0x71727374;
  header.payload_bytes = 3;
  return header;
}

std::vector<std::byte> Encode(const FrameHeader& header,
                              const std::vector<std::byte>& payload,
                              Checked checked = Checked::kAll) {
  std::vector<std::byte> frame(kFrameHeaderBytes + payload.size());
  EncodeFrameHeader(header, payload,
                    std::span(frame).first<kFrameHeaderBytes>(), checked);
  std::copy(payload.begin(), payload.end(), frame.begin() + kFrameHeaderBytes);
  return frame;
}

std::vector<std::byte> SampleFrame(Checked checked = Checked::kAll) {
  return Encode(SampleHeader(),
                {std::byte{0xa1}, std::byte{0xa2}, std::byte{0xa3}}, checked);
}

// Writes `value` at `at`, and the checksum that fits.
std::vector<std::byte> WithField(size_t at, const std::vector<int>& value) {
  std::vector<std::byte> frame = SampleFrame();
  for (size_t i = 0; i < value.size(); ++i)
    frame[at + i] = static_cast<std::byte>(value[i]);
  const auto all = std::span<const std::byte>(frame);
  const uint32_t crc =
      base::Crc32c(all.subspan(kFrameHeaderBytes), base::Crc32c(all.first(60)));
  for (size_t i = 0; i < 4; ++i)
    frame[60 + i] = static_cast<std::byte>(crc >> (8 * i));
  return frame;
}

void ExpectRefused(const std::vector<std::byte>& frame, absl::StatusCode code,
                   const std::string& text) {
  const auto header = DecodeFrame(frame, kPayloadBytesMax);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.status().code(), code);
  EXPECT_THAT(std::string(header.status().message()), HasSubstr(text));
}

TEST(FrameTest, DecodeGivesBackWhatWasEncoded) {
  const auto header = DecodeFrame(SampleFrame(), kPayloadBytesMax);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(*header, SampleHeader());
}

// docs/wire-format.md has the same table.
TEST(FrameTest, BytesAreWhereTheWireFormatSays) {
  const std::array<int, 60> expected = {
      0x53, 0x48, 0x41, 0x4c,                          // magic, "SHAL"
      1,    0,    3,    0,                             // version, type
      8,    7,    6,    5,    4,    3,    2,    1,     // epoch
      0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,  // pass
      0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,  // sequence
      0x32, 0x31, 0,    0,    0x41, 0,    0,    0,     // layer, phase
      0x51, 0,    0,    0,    0x62, 0x61, 0,    0,     // rank, tokens
      0x74, 0x73, 0x72, 0x71, 3,    0,    0,    0,     // offset, payload_bytes
      0,    0,    0,    0,                             // reserved
  };
  const auto frame = SampleFrame();
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(static_cast<int>(frame[i]), expected[i]) << "byte " << i;
}

TEST(FrameTest, AnyFlippedBitIsDataLoss) {
  const auto whole = SampleFrame();
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto frame = whole;
    frame[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    const auto header = DecodeFrame(frame, kPayloadBytesMax);
    EXPECT_EQ(header.status().code(), absl::StatusCode::kDataLoss)
        << "bit " << bit;
  }
}

TEST(FrameTest, OfAFrameInSharedMemoryTheHeaderIsChecked) {
  const auto whole = SampleFrame(Checked::kHeader);
  const auto decode = [](const std::vector<std::byte>& frame, Checked checked) {
    return DecodeFrame(frame, kPayloadBytesMax, checked);
  };
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto frame = whole;
    frame[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    const auto header = decode(frame, Checked::kHeader);
    if (bit < kFrameHeaderBytes * 8) {
      EXPECT_TRUE(absl::IsDataLoss(header.status())) << "bit " << bit;
    } else {
      ASSERT_TRUE(header.ok()) << header.status();
      EXPECT_EQ(*header, SampleHeader());
    }
  }
  EXPECT_TRUE(absl::IsDataLoss(decode(whole, Checked::kAll).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(decode(SampleFrame(), Checked::kHeader).status()));
}

TEST(FrameTest, AnyCutIsDataLoss) {
  const auto whole = SampleFrame();
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto header =
        DecodeFrame(std::span(whole).first(size), kPayloadBytesMax);
    EXPECT_EQ(header.status().code(), absl::StatusCode::kDataLoss)
        << size << " bytes";
  }
}

TEST(FrameTest, FieldsOutOfRangeAreNamedWithTheirLimits) {
  using Code = absl::StatusCode;
  ExpectRefused(WithField(0, {'G', 'G', 'U', 'F'}), Code::kInvalidArgument,
                "magic is 1179993927, allowed: 1279346771");
  ExpectRefused(WithField(4, {2, 0}), Code::kFailedPrecondition,
                "protocol version 2, this build speaks version 1");
  ExpectRefused(WithField(6, {0, 0}), Code::kInvalidArgument,
                "type is 0, allowed: 1 to 8");
  ExpectRefused(WithField(6, {9, 0}), Code::kInvalidArgument,
                "type is 9, allowed: 1 to 8");
  ExpectRefused(WithField(32, {0, 0, 1, 0}), Code::kInvalidArgument,
                "layer is 65536, allowed: < 65536");
  ExpectRefused(WithField(36, {0, 1, 0, 0}), Code::kInvalidArgument,
                "phase is 256, allowed: < 256");
  ExpectRefused(WithField(40, {0, 16, 0, 0}), Code::kInvalidArgument,
                "rank is 4096, allowed: < 4096");
  ExpectRefused(WithField(44, {1, 0, 16, 0}), Code::kInvalidArgument,
                "tokens is 1048577, allowed: <= 1048576");
  ExpectRefused(WithField(52, {2, 0, 0, 0}), Code::kInvalidArgument,
                "payload_bytes is 2, allowed: 3, which is what came");
  ExpectRefused(WithField(52, {4, 0, 0, 0}), Code::kInvalidArgument,
                "payload_bytes is 4, allowed: 3, which is what came");
  ExpectRefused(WithField(56, {1, 0, 0, 0}), Code::kInvalidArgument,
                "reserved is 1, allowed: 0");
}

TEST(FrameTest, PayloadAboveTheReceiversLimitIsRefused) {
  FrameHeader header = SampleHeader();
  std::vector<std::byte> payload(kPayloadBytesMax);
  EXPECT_TRUE(DecodeFrame(Encode(header, payload), kPayloadBytesMax).ok());
  payload.emplace_back();
  ExpectRefused(Encode(header, payload), absl::StatusCode::kInvalidArgument,
                "payload_bytes is 33, allowed: <= 32");
}

TEST(FrameTest, ExpectFrameNamesBothSides) {
  const FrameHeader want = SampleHeader();
  EXPECT_TRUE(ExpectFrame(want, want).ok());
  for (int field = 0; field < 6; ++field) {
    FrameHeader got = want;
    if (field == 0) got.type = FrameType::kPartial;
    if (field == 1) ++got.pass;
    if (field == 2) ++got.layer;
    if (field == 3) ++got.phase;
    if (field == 4) ++got.tokens;
    if (field == 5) ++got.offset;
    const absl::Status status = ExpectFrame(got, want);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(ToString(got)));
    EXPECT_THAT(std::string(status.message()), HasSubstr(ToString(want)));
  }
}

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(FrameTest, AbortCarriesCodeAndText) {
  const absl::Status status = absl::DataLossError("unit 7 is damaged");
  EXPECT_EQ(DecodeAbort(Bytes(EncodeAbort(status))), status);
}

TEST(FrameTest, AbortTextIsCutAndHasNoControlCharacters) {
  const absl::Status status =
      absl::InternalError("\x1b[2J" + std::string(2000, 'x'));
  const absl::Status decoded = DecodeAbort(Bytes(EncodeAbort(status)));
  EXPECT_EQ(decoded.message().size(), kAbortTextBytesMax);
  EXPECT_EQ(std::string(decoded.message().substr(0, 5)), "?[2Jx");
}

TEST(FrameTest, AbortPayloadThatIsNoStatusIsRefused) {
  const std::string ok("\0\0\0\0text", 8);
  const std::string unknown("\x11\0\0\0text", 8);
  const std::string too_short("\1\0\0", 3);
  for (const std::string& payload :
       {ok, unknown, too_short,
        std::string(4 + kAbortTextBytesMax + 1, '\1')}) {
    EXPECT_THAT(std::string(DecodeAbort(Bytes(payload)).message()),
                HasSubstr("abort frame: "));
  }
}

}  // namespace
}  // namespace shoal::transport

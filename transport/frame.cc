#include "transport/frame.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "transport/little_endian.h"

namespace shoal::transport {
namespace {

// Where each field begins. The places of magic, version and checksum are the
// same in every protocol version, so that any build can name another's version.
constexpr size_t kMagicAt = 0;
constexpr size_t kVersionAt = 4;
constexpr size_t kTypeAt = 6;
constexpr size_t kEpochAt = 8;
constexpr size_t kPassAt = 16;
constexpr size_t kSequenceAt = 24;
constexpr size_t kLayerAt = 32;
constexpr size_t kPhaseAt = 36;
constexpr size_t kRankAt = 40;
constexpr size_t kTokensAt = 44;
constexpr size_t kOffsetAt = 48;
constexpr size_t kPayloadBytesAt = 52;
constexpr size_t kReservedAt = 56;
constexpr size_t kChecksumAt = 60;
static_assert(kChecksumAt + sizeof(uint32_t) == kFrameHeaderBytes);

uint32_t Checksum(std::span<const std::byte> header,
                  std::span<const std::byte> payload, Checked checked) {
  const uint32_t of_header = base::Crc32c(header.first(kChecksumAt));
  return checked == Checked::kHeader ? of_header
                                     : base::Crc32c(payload, of_header);
}

absl::Status BadField(absl::string_view field, uint64_t value,
                      absl::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat(
      "frame header: ", field, " is ", value, ", allowed: ", allowed));
}

absl::Status CheckRanges(const FrameHeader& header) {
  const auto type = static_cast<uint16_t>(header.type);
  if (type < 1 || type > static_cast<uint16_t>(kFrameTypeLast)) {
    return BadField(
        "type", type,
        absl::StrCat("1 to ", static_cast<uint16_t>(kFrameTypeLast)));
  }
  if (header.layer >= kLayerLimit)
    return BadField("layer", header.layer, absl::StrCat("< ", kLayerLimit));
  if (header.phase >= kPhaseLimit)
    return BadField("phase", header.phase, absl::StrCat("< ", kPhaseLimit));
  if (header.rank >= kRankLimit)
    return BadField("rank", header.rank, absl::StrCat("< ", kRankLimit));
  if (header.tokens > kTokensLimit)
    return BadField("tokens", header.tokens, absl::StrCat("<= ", kTokensLimit));
  return absl::OkStatus();
}

}  // namespace

std::string ToString(FrameType type) {
  switch (type) {
    case FrameType::kHello:
      return "kHello";
    case FrameType::kPass:
      return "kPass";
    case FrameType::kInput:
      return "kInput";
    case FrameType::kPartial:
      return "kPartial";
    case FrameType::kResidual:
      return "kResidual";
    case FrameType::kLogits:
      return "kLogits";
    case FrameType::kAbort:
      return "kAbort";
    case FrameType::kMeasure:
      return "kMeasure";
  }
  return absl::StrCat("type ", static_cast<uint16_t>(type));
}

std::string ToString(const FrameHeader& header) {
  return absl::StrCat(ToString(header.type), " of pass ", header.pass,
                      ", layer ", header.layer, ", phase ", header.phase, ", ",
                      header.tokens, " tokens at offset ", header.offset);
}

void EncodeFrameHeader(const FrameHeader& header,
                       std::span<const std::byte> payload,
                       std::span<std::byte, kFrameHeaderBytes> out,
                       Checked checked) {
  SHOAL_CHECK(payload.size() <= kPayloadBytesLimit, payload.size());
  Put(out, kMagicAt, kFrameMagic);
  Put(out, kVersionAt, kProtocolVersion);
  Put(out, kTypeAt, static_cast<uint16_t>(header.type));
  Put(out, kEpochAt, header.epoch);
  Put(out, kPassAt, header.pass);
  Put(out, kSequenceAt, header.sequence);
  Put(out, kLayerAt, header.layer);
  Put(out, kPhaseAt, header.phase);
  Put(out, kRankAt, header.rank);
  Put(out, kTokensAt, header.tokens);
  Put(out, kOffsetAt, header.offset);
  Put(out, kPayloadBytesAt, static_cast<uint32_t>(payload.size()));
  Put(out, kReservedAt, uint32_t{0});
  Put(out, kChecksumAt, Checksum(out, payload, checked));
}

uint64_t FrameBytesOf(std::span<const std::byte, kFrameHeaderBytes> header) {
  return kFrameHeaderBytes + uint64_t{Get<uint32_t>(header, kPayloadBytesAt)};
}

absl::StatusOr<FrameHeader> DecodeFrame(std::span<const std::byte> message,
                                        uint64_t payload_bytes_max,
                                        Checked checked) {
  if (message.size() < kFrameHeaderBytes) {
    return absl::DataLossError(absl::StrCat(
        "frame of ", message.size(), " bytes, wanted at least the header's ",
        kFrameHeaderBytes));
  }
  // The checksum comes first: a damaged header must not be read as a strange
  // but whole one.
  const auto payload = message.subspan(kFrameHeaderBytes);
  const uint32_t computed = Checksum(message, payload, checked);
  const uint32_t stored = Get<uint32_t>(message, kChecksumAt);
  if (stored != computed) {
    return absl::DataLossError(
        absl::StrCat("frame of ", message.size(), " bytes: checksum is ",
                     absl::Hex(stored, absl::kZeroPad8), ", its bytes give ",
                     absl::Hex(computed, absl::kZeroPad8)));
  }
  const uint32_t magic = Get<uint32_t>(message, kMagicAt);
  if (magic != kFrameMagic)
    return BadField("magic", magic, absl::StrCat(kFrameMagic));
  const uint16_t version = Get<uint16_t>(message, kVersionAt);
  if (version != kProtocolVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the peer speaks protocol version ", version,
                     ", this build speaks version ", kProtocolVersion,
                     "; run the same release on all devices"));
  }
  FrameHeader header;
  header.type = static_cast<FrameType>(Get<uint16_t>(message, kTypeAt));
  header.epoch = Get<uint64_t>(message, kEpochAt);
  header.pass = Get<uint64_t>(message, kPassAt);
  header.sequence = Get<uint64_t>(message, kSequenceAt);
  header.layer = Get<uint32_t>(message, kLayerAt);
  header.phase = Get<uint32_t>(message, kPhaseAt);
  header.rank = Get<uint32_t>(message, kRankAt);
  header.tokens = Get<uint32_t>(message, kTokensAt);
  header.offset = Get<uint32_t>(message, kOffsetAt);
  header.payload_bytes = Get<uint32_t>(message, kPayloadBytesAt);
  SHOAL_RETURN_IF_ERROR(CheckRanges(header));
  if (header.payload_bytes != payload.size()) {
    return BadField("payload_bytes", header.payload_bytes,
                    absl::StrCat(payload.size(), ", which is what came"));
  }
  if (header.payload_bytes > payload_bytes_max) {
    return BadField("payload_bytes", header.payload_bytes,
                    absl::StrCat("<= ", payload_bytes_max));
  }
  const uint32_t reserved = Get<uint32_t>(message, kReservedAt);
  if (reserved != 0) return BadField("reserved", reserved, "0");
  return header;
}

bool IsWholeFrame(std::span<const std::byte> message, uint16_t type) {
  if (message.size() < kFrameHeaderBytes) return false;
  const auto payload = message.subspan(kFrameHeaderBytes);
  return Get<uint16_t>(message, kTypeAt) == type &&
         Get<uint32_t>(message, kMagicAt) == kFrameMagic &&
         Get<uint16_t>(message, kVersionAt) == kProtocolVersion &&
         Get<uint32_t>(message, kPayloadBytesAt) == payload.size() &&
         Get<uint32_t>(message, kChecksumAt) ==
             Checksum(message, payload, Checked::kAll);
}

absl::Status ExpectFrame(const FrameHeader& got, const FrameHeader& want) {
  if (got.type == want.type && got.pass == want.pass &&
      got.layer == want.layer && got.phase == want.phase &&
      got.tokens == want.tokens && got.offset == want.offset) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("rank ", got.rank, " is out of step: got ", ToString(got),
                   "; wanted ", ToString(want)));
}

std::string EncodeAbort(const absl::Status& status) {
  SHOAL_CHECK(!status.ok());
  const absl::string_view text =
      absl::string_view(status.message()).substr(0, kAbortTextBytesMax);
  std::string out(sizeof(uint32_t) + text.size(), '\0');
  const auto bytes = std::as_writable_bytes(std::span(out));
  Put(bytes, 0, static_cast<uint32_t>(status.code()));
  std::copy(text.begin(), text.end(), out.begin() + sizeof(uint32_t));
  return out;
}

absl::Status DecodeAbort(std::span<const std::byte> payload) {
  if (payload.size() < sizeof(uint32_t) ||
      payload.size() > sizeof(uint32_t) + kAbortTextBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "abort frame: payload of ", payload.size(), " bytes, allowed: 4 to ",
        sizeof(uint32_t) + kAbortTextBytesMax));
  }
  const uint32_t code = Get<uint32_t>(payload, 0);
  if (code < 1 ||
      code > static_cast<uint32_t>(absl::StatusCode::kUnauthenticated)) {
    return absl::InvalidArgumentError(
        absl::StrCat("abort frame: status code is ", code, ", allowed: 1 to ",
                     static_cast<int>(absl::StatusCode::kUnauthenticated)));
  }
  std::string text;
  for (const std::byte byte : payload.subspan(sizeof(uint32_t))) {
    // It goes to a terminal: control characters must not reach it.
    const char c = static_cast<char>(byte);
    text.push_back(absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? '?'
                                                                      : c);
  }
  return absl::Status(static_cast<absl::StatusCode>(code), text);
}

}  // namespace shoal::transport

#include "transport/hello.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "transport/sealed_frame.h"

namespace shoal::transport {
namespace {

// Link key, then payload_bytes_max as u64, little endian.
constexpr size_t kLimitAt = std::tuple_size_v<LinkKey>;
constexpr size_t kHelloPayloadBytes = kLimitAt + sizeof(uint64_t);

std::vector<std::byte> Encode(FrameHeader header, const NetworkOptions& options,
                              std::span<const std::byte> payload) {
  header.epoch = options.epoch;
  header.rank = options.rank;
  std::vector<std::byte> frame(kFrameHeaderBytes + payload.size());
  EncodeFrameHeader(header, payload,
                    std::span(frame).first<kFrameHeaderBytes>());
  std::copy(payload.begin(), payload.end(), frame.begin() + kFrameHeaderBytes);
  return frame;
}

// In a time that does not depend on where the keys differ.
bool SameKey(std::span<const std::byte> shown, const LinkKey& key) {
  std::byte difference{0};
  for (size_t i = 0; i < key.size(); ++i) difference |= shown[i] ^ key[i];
  return difference == std::byte{0};
}

}  // namespace

std::vector<std::byte> EncodeHello(const NetworkOptions& options) {
  std::array<std::byte, kHelloPayloadBytes> payload;
  std::copy(options.link_key.begin(), options.link_key.end(), payload.begin());
  for (size_t i = 0; i < sizeof(uint64_t); ++i) {
    payload[kLimitAt + i] =
        static_cast<std::byte>(options.payload_bytes_max >> (8 * i));
  }
  FrameHeader header;
  header.type = FrameType::kHello;
  return Encode(header, options, payload);
}

std::vector<std::byte> EncodeRefusal(const NetworkOptions& options,
                                     const absl::Status& status) {
  const std::string payload = EncodeAbort(status);
  FrameHeader header;
  header.type = FrameType::kAbort;
  return Encode(header, options, std::as_bytes(std::span(payload)));
}

absl::Status CheckHello(std::span<const std::byte> message,
                        const NetworkOptions& options, uint32_t peer_rank) {
  if (IsSealed(message)) {
    return absl::FailedPreconditionError(
        "encrypts, which the links of this plan do not");
  }
  SHOAL_ASSIGN_OR_RETURN(
      const FrameHeader header,
      DecodeFrame(message, kHelloFrameBytesMax - kFrameHeaderBytes));
  const auto payload = message.subspan(kFrameHeaderBytes);
  if (header.type == FrameType::kAbort) {
    const absl::Status reason = DecodeAbort(payload);
    return absl::Status(reason.code(),
                        absl::StrCat("refused us: ", reason.message()));
  }
  if (header.type != FrameType::kHello ||
      payload.size() != kHelloPayloadBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "began with ", ToString(header.type), " of ", payload.size(),
        " bytes, allowed: kHello of ", kHelloPayloadBytes));
  }
  if (header.epoch != options.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("is at epoch ", header.epoch, ", wanted ", options.epoch));
  }
  if (!SameKey(payload, options.link_key)) {
    return absl::PermissionDeniedError(
        "showed a wrong link key: it belongs to another fleet or run");
  }
  if (header.rank != peer_rank) {
    return absl::InvalidArgumentError(absl::StrCat(
        "says that it is rank ", header.rank, ", wanted ", peer_rank));
  }
  uint64_t limit = 0;
  for (size_t i = 0; i < sizeof(limit); ++i)
    limit |= static_cast<uint64_t>(payload[kLimitAt + i]) << (8 * i);
  if (limit != options.payload_bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat("has payload_bytes_max ",
                                                   limit, ", wanted ",
                                                   options.payload_bytes_max));
  }
  return absl::OkStatus();
}

}  // namespace shoal::transport

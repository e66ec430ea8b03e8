// Decodes any bytes as a frame, as an abort, and as the payload of a frame
// whose fields are drawn from them (a drawn checksum would never match).

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/check.h"
#include "transport/frame.h"

namespace {

using shoal::transport::DecodeAbort;
using shoal::transport::DecodeFrame;
using shoal::transport::EncodeFrameHeader;
using shoal::transport::FrameHeader;
using shoal::transport::FrameType;
using shoal::transport::kFrameHeaderBytes;

constexpr uint64_t kPayloadBytesMax = 4096;

struct DrawnFields {
  uint16_t type;
  uint32_t layer, phase, rank, tokens, offset;
};

void FuzzDrawnHeader(std::span<const std::byte> bytes) {
  DrawnFields drawn;
  if (bytes.size() < sizeof(drawn)) return;
  std::memcpy(&drawn, bytes.data(), sizeof(drawn));
  const auto payload = bytes.subspan(sizeof(drawn));
  FrameHeader header;
  header.type = static_cast<FrameType>(drawn.type);
  header.layer = drawn.layer;
  header.phase = drawn.phase;
  header.rank = drawn.rank;
  header.tokens = drawn.tokens;
  header.offset = drawn.offset;
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  std::vector<std::byte> message(kFrameHeaderBytes);
  EncodeFrameHeader(header, payload,
                    std::span<std::byte, kFrameHeaderBytes>(message.data(),
                                                            kFrameHeaderBytes));
  message.insert(message.end(), payload.begin(), payload.end());
  const absl::StatusOr<FrameHeader> back =
      DecodeFrame(message, kPayloadBytesMax);
  if (back.ok()) SHOAL_CHECK(*back == header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  DecodeFrame(bytes, kPayloadBytesMax).status().IgnoreError();
  SHOAL_CHECK(!DecodeAbort(bytes).ok());
  FuzzDrawnHeader(bytes);
  return 0;
}

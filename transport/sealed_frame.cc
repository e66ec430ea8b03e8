#include "transport/sealed_frame.h"

#include <algorithm>

#include "transport/little_endian.h"

namespace shoal::transport {
namespace {

// Magic, version, type and payload_bytes lie where every frame has them, so
// that a stream is cut in the same way.
constexpr size_t kMagicAt = 0;
constexpr size_t kVersionAt = 4;
constexpr size_t kTypeAt = 6;
constexpr size_t kSaltAt = 8;
constexpr size_t kCounterAt = 24;
constexpr size_t kSuiteAt = 36;
constexpr size_t kPayloadBytesAt = 52;

}  // namespace

void EncodeSealedHeader(const SealedHeader& header, size_t frame_bytes,
                        std::span<std::byte, kFrameHeaderBytes> out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  Put(out, kMagicAt, kFrameMagic);
  Put(out, kVersionAt, kProtocolVersion);
  Put(out, kTypeAt, kSealedFrameType);
  std::transform(header.salt.begin(), header.salt.end(), out.begin() + kSaltAt,
                 [](uint8_t byte) { return std::byte{byte}; });
  Put(out, kCounterAt, header.counter);
  Put(out, kSuiteAt, static_cast<uint32_t>(header.suite));
  Put(out, kPayloadBytesAt,
      static_cast<uint32_t>(frame_bytes + security::FrameCipher::kTagBytes));
}

bool IsSealed(std::span<const std::byte> message) {
  return message.size() >= kFrameHeaderBytes &&
         Get<uint32_t>(message, kMagicAt) == kFrameMagic &&
         Get<uint16_t>(message, kTypeAt) == kSealedFrameType;
}

std::optional<SealedHeader> DecodeSealedHeader(
    std::span<const std::byte> message) {
  if (!IsSealed(message) || message.size() < kSealedExtraBytes ||
      Get<uint16_t>(message, kVersionAt) != kProtocolVersion) {
    return std::nullopt;
  }
  SealedHeader header;
  for (size_t i = 0; i < header.salt.size(); ++i) {
    header.salt[i] = static_cast<uint8_t>(message[kSaltAt + i]);
  }
  header.counter = Get<uint64_t>(message, kCounterAt);
  const auto suite = Get<uint32_t>(message, kSuiteAt);
  if (suite != static_cast<uint32_t>(security::CipherSuite::kAes256Gcm) &&
      suite !=
          static_cast<uint32_t>(security::CipherSuite::kChaCha20Poly1305)) {
    return std::nullopt;
  }
  header.suite = static_cast<security::CipherSuite>(suite);
  return header;
}

}  // namespace shoal::transport

// A frame inside an encrypted one, as bytes (docs/wire-format.md).

#ifndef SHOAL_TRANSPORT_SEALED_FRAME_H_
#define SHOAL_TRANSPORT_SEALED_FRAME_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "security/frame_cipher.h"
#include "transport/frame.h"

namespace shoal::transport {

// What sealing adds to a frame: a header of its own, and the tag.
inline constexpr size_t kSealedExtraBytes =
    kFrameHeaderBytes + security::FrameCipher::kTagBytes;

// What the opening end must know. All of the header is authenticated.
struct SealedHeader {
  // Drawn by the sender for the link: no two links share a key, even if one
  // secret is used twice.
  std::array<uint8_t, 16> salt = {};
  uint64_t counter = 0;  // of the sender's frames, from 0
  security::CipherSuite suite = security::CipherSuite::kAes256Gcm;

  friend bool operator==(const SealedHeader&, const SealedHeader&) = default;
};

// `frame_bytes` is the length of the frame inside.
void EncodeSealedHeader(const SealedHeader& header, size_t frame_bytes,
                        std::span<std::byte, kFrameHeaderBytes> out);

// Whether `message` begins as a sealed frame does.
bool IsSealed(std::span<const std::byte> message);

// Of a whole message. Nothing: it is no sealed frame that this version opens.
std::optional<SealedHeader> DecodeSealedHeader(
    std::span<const std::byte> message);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_SEALED_FRAME_H_

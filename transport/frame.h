// The frame: a fixed header and a payload, as bytes (docs/wire-format.md).

#ifndef SHOAL_TRANSPORT_FRAME_H_
#define SHOAL_TRANSPORT_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::transport {

inline constexpr uint32_t kFrameMagic = 0x4c414853;  // "SHAL" on the wire
inline constexpr uint16_t kProtocolVersion = 1;
inline constexpr size_t kFrameHeaderBytes = 64;

// Limits that hold for every plan; a header beyond them is refused.
inline constexpr uint32_t kLayerLimit = 1 << 16;
inline constexpr uint32_t kPhaseLimit = 1 << 8;
inline constexpr uint32_t kRankLimit = 1 << 12;
inline constexpr uint32_t kTokensLimit = 1 << 20;
inline constexpr uint64_t kPayloadBytesLimit = uint64_t{1} << 30;

// The numbers are on the wire: never reuse one.
enum class FrameType : uint16_t {
  kHello = 1,     // first frame of a link, both ways
  kPass = 2,      // pass descriptor: opens a pass
  kInput = 3,     // hub to rank: encoded input of a phase
  kPartial = 4,   // rank to hub: the rank's sum of its units
  kResidual = 5,  // hub to hub: the residual stream of the next stage
  kLogits = 6,    // rank to hub: rows of the head
  kAbort = 7,     // the sender gives up; the payload is its status
  kMeasure = 8,   // link_measure.h
};
inline constexpr FrameType kFrameTypeLast = FrameType::kMeasure;
// Of the frame around an encrypted one (sealed_frame.h); never inside.
inline constexpr uint16_t kSealedFrameType = 9;
// Of what stands for a frame in shared memory, and of the offer of such memory
// (shared_link.h).
inline constexpr uint16_t kSharedFrameType = 10;
inline constexpr uint16_t kShareOfferType = 11;

// "kInput", or "type 77".
std::string ToString(FrameType type);

struct FrameHeader {
  FrameType type = FrameType::kPass;
  uint64_t epoch = 0;
  uint64_t pass = 0;
  uint64_t sequence = 0;  // of the link and direction; a Channel counts it
  uint32_t layer = 0;     // < kLayerLimit
  uint32_t phase = 0;     // < kPhaseLimit
  uint32_t rank = 0;      // of the sender, < kRankLimit
  uint32_t tokens = 0;    // <= kTokensLimit
  uint32_t offset = 0;    // where the payload belongs in a message of pieces
  uint32_t payload_bytes = 0;

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

// "kInput of pass 7, layer 3, phase 1, 16 tokens at offset 0", for messages.
std::string ToString(const FrameHeader& header);

// What the checksum is taken of: both ends know from where the frame lies.
enum class Checked : uint8_t {
  kAll,
  kHeader,  // in memory that both ends share, which is as sound as their own
};

// Writes `header`, with payload_bytes and the checksum taken from `payload`.
// REQUIRES: payload.size() <= kPayloadBytesLimit.
void EncodeFrameHeader(const FrameHeader& header,
                       std::span<const std::byte> payload,
                       std::span<std::byte, kFrameHeaderBytes> out,
                       Checked checked = Checked::kAll);

// How long the frame that begins with `header` says it is, header included.
// Nothing is checked: for cutting a stream into frames, which DecodeFrame()
// then checks. At most kFrameHeaderBytes + 2^32 - 1.
uint64_t FrameBytesOf(std::span<const std::byte, kFrameHeaderBytes> header);

// Reads and checks the header of `message`, which is a whole frame. The payload
// is what follows the first kFrameHeaderBytes.
// Errors:
//   kDataLoss            shorter than a header, or the checksum does not match
//   kFailedPrecondition  another protocol version
//   kInvalidArgument     a field is out of its range, or the payload is not as
//                        long as the header says or above `payload_bytes_max`
absl::StatusOr<FrameHeader> DecodeFrame(std::span<const std::byte> message,
                                        uint64_t payload_bytes_max,
                                        Checked checked = Checked::kAll);

// Whether `message` is a whole and undamaged frame of this protocol version, of
// a type that may be none of FrameType.
bool IsWholeFrame(std::span<const std::byte> message, uint16_t type);

// Whether `got` is the frame that `want` describes: type, pass, layer, phase,
// tokens and offset are compared.
// Errors: kInvalidArgument  not so: the ranks are out of step; names both
absl::Status ExpectFrame(const FrameHeader& got, const FrameHeader& want);

// A status as the payload of a kAbort frame, and back. The text is cut at
// kAbortTextBytesMax; a payload that is no status gives kInvalidArgument.
// REQUIRES: !status.ok().
inline constexpr size_t kAbortTextBytesMax = 1024;
std::string EncodeAbort(const absl::Status& status);
absl::Status DecodeAbort(std::span<const std::byte> payload);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_FRAME_H_

// The first frame of a link, by which both ends show who they are.

#ifndef SHOAL_TRANSPORT_HELLO_H_
#define SHOAL_TRANSPORT_HELLO_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "transport/network.h"

namespace shoal::transport {

// Whole frames. A hello shows the link key and payload_bytes_max; a refusal is
// a kAbort frame that says why. REQUIRES: !status.ok().
std::vector<std::byte> EncodeHello(const NetworkOptions& options);
std::vector<std::byte> EncodeRefusal(const NetworkOptions& options,
                                     const absl::Status& status);

// The larger of the two in bytes.
inline constexpr size_t kHelloFrameBytesMax =
    kFrameHeaderBytes + sizeof(uint32_t) + kAbortTextBytesMax;

// Whether `message` is the hello of `peer_rank`, one of `options.peers`.
// Errors; the text is about the peer, whom it does not name:
//   kDataLoss, kInvalidArgument  no such frame, or of another rank or limits
//   kPermissionDenied            wrong link key
//   kFailedPrecondition          another epoch or protocol version, or sealed
//   the peer's status            the peer refused
absl::Status CheckHello(std::span<const std::byte> message,
                        const NetworkOptions& options, uint32_t peer_rank);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_HELLO_H_

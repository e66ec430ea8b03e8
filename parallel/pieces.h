// Sends and receives [tokens, bytes] blocks over a channel, cut into pieces.
//
// A piece is a frame of whole tokens of at most kPieceBytes, so that a long
// prompt takes no large buffer on either side and the first tokens are on
// their way while the last are still being written.

#ifndef SHOAL_PARALLEL_PIECES_H_
#define SHOAL_PARALLEL_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "parallel/plan.h"
#include "parallel/rank.h"
#include "transport/channel.h"
#include "transport/frame.h"

namespace shoal::parallel {

// Small enough to stay in a core's second cache between arriving and being
// added up.
inline constexpr uint64_t kPieceBytes = uint64_t{1} << 18;

// Which block of a pass: both sides name it and check that they agree.
struct BlockKey {
  uint64_t pass = 0;
  uint32_t layer = 0;
  uint32_t phase = 0;
  transport::FrameType type = transport::FrameType::kInput;
  uint32_t first_token = 0;  // of the pass, where the block begins
};

// Tokens of one piece. REQUIRES: bytes_per_token > 0. At least 1.
uint32_t PieceTokens(uint64_t bytes_per_token);

// Largest payload that blocks of such tokens make.
uint64_t PiecePayloadMax(uint64_t bytes_per_token);

// Whether the links of a plan hand large frames over in memory (shared_link.h).
bool SharesMemory(const RunOptions& options);

// Memory for one direction of a link between two processes of one machine: for
// the partial sums of the longest pass, since a rank may have sent all of them
// before the hub takes the first, and for the piece before, which the hub has
// until then. At most 4 MiB; 0 where no frame is large enough.
uint64_t SharedBytes(const Plan& plan, uint64_t hidden);

// Sends `tokens` tokens of `bytes_per_token` each to every one of `channels`.
// `write` fills the bytes of the tokens [begin, begin + count), once per piece.
// `scratch` is used for a piece at a time and grows to its size.
// Errors: those of Channel::Send().
using WritePiece = absl::FunctionRef<void(uint32_t begin, uint32_t count,
                                          std::span<std::byte> to)>;
absl::Status SendBlock(std::span<transport::Channel* const> channels,
                       const BlockKey& key, uint32_t tokens,
                       uint64_t bytes_per_token,
                       std::vector<std::byte>& scratch, absl::Duration timeout,
                       WritePiece write);

// The same of tokens that lie one after the other at `data`, without a copy.
absl::Status SendBlock(std::span<transport::Channel* const> channels,
                       const BlockKey& key, uint32_t tokens,
                       uint64_t bytes_per_token, const std::byte* data,
                       absl::Duration timeout);

// Receives the piece that begins at token `begin` of a block.
// Errors: those of Channel::Receive();
//         kInvalidArgument  the peer sent another block: it is out of step
absl::StatusOr<std::span<const std::byte>> ReceivePiece(
    transport::Channel& channel, const BlockKey& key, uint32_t begin,
    uint32_t count, uint64_t bytes_per_token, absl::Duration timeout);

}  // namespace shoal::parallel

#endif  // SHOAL_PARALLEL_PIECES_H_

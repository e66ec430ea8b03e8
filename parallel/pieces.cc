#include "parallel/pieces.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "parallel/reduce.h"
#include "transport/shared_link.h"

namespace shoal::parallel {

using transport::Channel;
using transport::Frame;
using transport::FrameHeader;

namespace {

// The channel fills in epoch, rank and sequence.
FrameHeader HeaderOf(const BlockKey& key, uint32_t begin, uint32_t count) {
  FrameHeader header;
  header.type = key.type;
  header.pass = key.pass;
  header.layer = key.layer;
  header.phase = key.phase;
  header.tokens = count;
  header.offset = key.first_token + begin;
  return header;
}

using PieceAt = absl::FunctionRef<std::span<const std::byte>(uint32_t begin,
                                                             uint32_t count)>;

absl::Status SendPieces(std::span<Channel* const> channels, const BlockKey& key,
                        uint32_t tokens, uint64_t bytes_per_token,
                        absl::Duration timeout, PieceAt piece_at) {
  if (channels.empty()) return absl::OkStatus();
  const uint32_t piece = PieceTokens(bytes_per_token);
  for (uint32_t begin = 0; begin < tokens; begin += piece) {
    const uint32_t count = std::min(piece, tokens - begin);
    const std::span<const std::byte> bytes = piece_at(begin, count);
    const FrameHeader header = HeaderOf(key, begin, count);
    const absl::Time deadline = absl::Now() + timeout;
    for (Channel* channel : channels) {
      SHOAL_RETURN_IF_ERROR(channel->Send(header, bytes, deadline));
    }
  }
  return absl::OkStatus();
}

}  // namespace

uint32_t PieceTokens(uint64_t bytes_per_token) {
  return static_cast<uint32_t>(
      std::max<uint64_t>(1, kPieceBytes / bytes_per_token));
}

uint64_t PiecePayloadMax(uint64_t bytes_per_token) {
  return PieceTokens(bytes_per_token) * bytes_per_token;
}

bool SharesMemory(const RunOptions& options) {
  return options.share_memory && !options.seal_links &&
         options.transport == Transport::kTcp;
}

uint64_t SharedBytes(const Plan& plan, uint64_t hidden) {
  // More of it than this waits for its turn in the buffers of the socket.
  constexpr uint64_t kBytesMax = uint64_t{1} << 22;
  const uint64_t row_bytes = hidden * BytesOf(plan.payload);
  const uint64_t block = plan.chunk_tokens * row_bytes;
  if (block < transport::SharedLink::kBytesMin) return 0;
  // And the last piece of the block before, which the receiver has until it
  // takes the next.
  const uint64_t last = std::min(block, PiecePayloadMax(row_bytes));
  const uint64_t pieces = plan.chunk_tokens / PieceTokens(row_bytes) + 2;
  // Each with its header, at a multiple of 64.
  const uint64_t around = transport::kFrameHeaderBytes + 64;
  return std::min(block + last + pieces * around, kBytesMax);
}

absl::Status SendBlock(std::span<Channel* const> channels, const BlockKey& key,
                       uint32_t tokens, uint64_t bytes_per_token,
                       std::vector<std::byte>& scratch, absl::Duration timeout,
                       WritePiece write) {
  return SendPieces(channels, key, tokens, bytes_per_token, timeout,
                    [&](uint32_t begin, uint32_t count) {
                      const uint64_t bytes = count * bytes_per_token;
                      if (scratch.size() < bytes) scratch.resize(bytes);
                      write(begin, count, std::span(scratch).first(bytes));
                      return std::span<const std::byte>(scratch).first(bytes);
                    });
}

absl::Status SendBlock(std::span<Channel* const> channels, const BlockKey& key,
                       uint32_t tokens, uint64_t bytes_per_token,
                       const std::byte* data, absl::Duration timeout) {
  return SendPieces(channels, key, tokens, bytes_per_token, timeout,
                    [&](uint32_t begin, uint32_t count) {
                      return std::span(data + begin * bytes_per_token,
                                       count * bytes_per_token);
                    });
}

absl::StatusOr<std::span<const std::byte>> ReceivePiece(
    Channel& channel, const BlockKey& key, uint32_t begin, uint32_t count,
    uint64_t bytes_per_token, absl::Duration timeout) {
  SHOAL_ASSIGN_OR_RETURN(const Frame frame,
                         channel.Receive(absl::Now() + timeout));
  absl::Status expected =
      transport::ExpectFrame(frame.header, HeaderOf(key, begin, count));
  if (expected.ok() && frame.payload.size() != count * bytes_per_token) {
    expected = absl::InvalidArgumentError(absl::StrCat(
        transport::ToString(frame.header), " came with ", frame.payload.size(),
        " bytes instead of ", count * bytes_per_token));
  }
  if (!expected.ok()) {
    return absl::Status(
        expected.code(),
        absl::StrCat("rank ", channel.peer_rank(), " (", channel.peer_name(),
                     "): ", expected.message()));
  }
  return frame.payload;
}

}  // namespace shoal::parallel

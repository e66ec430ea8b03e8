#include "parallel/pieces.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace shoal::parallel {

using transport::Channel;
using transport::Frame;
using transport::FrameHeader;

uint32_t PieceTokens(uint64_t bytes_per_token) {
  return static_cast<uint32_t>(
      std::max<uint64_t>(1, kPieceBytes / bytes_per_token));
}

uint64_t PiecePayloadMax(uint64_t bytes_per_token) {
  return PieceTokens(bytes_per_token) * bytes_per_token;
}

absl::Status SendBlock(std::span<Channel* const> channels, const BlockKey& key,
                       uint32_t tokens, uint64_t bytes_per_token,
                       std::vector<std::byte>& scratch, absl::Duration timeout,
                       WritePiece write) {
  if (channels.empty()) return absl::OkStatus();
  const uint32_t piece = PieceTokens(bytes_per_token);
  for (uint32_t begin = 0; begin < tokens; begin += piece) {
    const uint32_t count = std::min(piece, tokens - begin);
    const uint64_t bytes = count * bytes_per_token;
    if (scratch.size() < bytes) scratch.resize(bytes);
    write(begin, count, std::span(scratch).first(bytes));
    FrameHeader header;
    header.epoch = key.epoch;
    header.pass = key.pass;
    header.layer = key.layer;
    header.phase = key.phase;
    header.type = key.type;
    header.rank = key.own_rank;
    header.tokens = count;
    header.piece = begin;
    const absl::Time deadline = absl::Now() + timeout;
    for (Channel* channel : channels) {
      SHOAL_RETURN_IF_ERROR(channel->Send(
          header, std::span<const std::byte>(scratch).first(bytes), deadline));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::span<const std::byte>> ReceivePiece(
    Channel& channel, const BlockKey& key, uint32_t begin, uint32_t count,
    uint64_t bytes_per_token, absl::Duration timeout) {
  SHOAL_ASSIGN_OR_RETURN(const Frame frame,
                         channel.Receive(absl::Now() + timeout));
  const FrameHeader& got = frame.header;
  if (got.type != key.type || got.pass != key.pass || got.layer != key.layer ||
      got.phase != key.phase || got.piece != begin || got.tokens != count ||
      frame.payload.size() != count * bytes_per_token) {
    return absl::InvalidArgumentError(absl::StrCat(
        channel.peer_name(), " is out of step: it sent frame type ",
        static_cast<int>(got.type), " of pass ", got.pass, " layer ", got.layer,
        " phase ", got.phase, " tokens ", got.piece, "+", got.tokens, " (",
        frame.payload.size(), " bytes); expected type ",
        static_cast<int>(key.type), " of pass ", key.pass, " layer ", key.layer,
        " phase ", key.phase, " tokens ", begin, "+", count, " (",
        count * bytes_per_token, " bytes)"));
  }
  return frame.payload;
}

}  // namespace shoal::parallel

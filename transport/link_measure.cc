#include "transport/link_measure.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::transport {
namespace {

// In the phase field of kMeasure frames.
enum Step : uint32_t {
  kPing,    // to be sent back
  kPiece,   // of a stream; `offset` pieces follow. The last is answered
  kPieces,  // asks for `offset` pieces of `tokens` bytes
  kDone,    // ends the measurement; is answered
  kAnswered,
};

constexpr uint64_t kPieceBytesMax = 1 << 18;
constexpr uint64_t kFirstStreamBytes = 1 << 16;
constexpr uint32_t kPieceCountMax = 1 << 16;

FrameHeader Header(Step step) {
  FrameHeader header;
  header.type = FrameType::kMeasure;
  header.phase = step;
  return header;
}

absl::Status SendPieces(Channel& channel, uint32_t count,
                        std::span<const std::byte> piece, absl::Time deadline) {
  for (uint32_t left = count; left-- > 0;) {
    FrameHeader header = Header(kPiece);
    header.offset = left;
    SHOAL_RETURN_IF_ERROR(channel.Send(header, piece, deadline));
  }
  return absl::OkStatus();
}

absl::StatusOr<Frame> ReceiveStep(Channel& channel, Step step,
                                  absl::Time deadline) {
  SHOAL_ASSIGN_OR_RETURN(Frame frame, channel.Receive(deadline));
  if (frame.header.type != FrameType::kMeasure ||
      frame.header.phase != static_cast<uint32_t>(step)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "link measurement: rank ", channel.peer_rank(), " (",
        channel.peer_name(), ") sent ", ToString(frame.header),
        ", wanted kMeasure of phase ", static_cast<uint32_t>(step)));
  }
  return frame;
}

absl::StatusOr<absl::Duration> MeasureRoundTrip(
    Channel& channel, const LinkMeasureOptions& options, absl::Time deadline) {
  const std::vector<std::byte> payload(
      std::min<uint64_t>(options.ping_bytes, channel.payload_bytes_max()));
  std::vector<absl::Duration> times;
  for (uint32_t i = 0; i < options.ping_count; ++i) {
    const absl::Time started = absl::Now();
    SHOAL_RETURN_IF_ERROR(channel.Send(Header(kPing), payload, deadline));
    SHOAL_RETURN_IF_ERROR(ReceiveStep(channel, kPing, deadline).status());
    times.push_back(absl::Now() - started);
  }
  const auto middle = times.begin() + times.size() / 2;
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

absl::Status Stream(Channel& channel, bool to_peer, uint32_t piece_count,
                    std::span<const std::byte> piece, absl::Time deadline) {
  if (to_peer) {
    SHOAL_RETURN_IF_ERROR(SendPieces(channel, piece_count, piece, deadline));
    return ReceiveStep(channel, kAnswered, deadline).status();
  }
  FrameHeader header = Header(kPieces);
  header.offset = piece_count;
  header.tokens = static_cast<uint32_t>(piece.size());
  SHOAL_RETURN_IF_ERROR(channel.Send(header, {}, deadline));
  for (uint32_t i = 0; i < piece_count; ++i)
    SHOAL_RETURN_IF_ERROR(ReceiveStep(channel, kPiece, deadline).status());
  return absl::OkStatus();
}

absl::StatusOr<double> MeasureRate(Channel& channel, bool to_peer,
                                   absl::Duration round_trip,
                                   const LinkMeasureOptions& options,
                                   absl::Time deadline) {
  const std::vector<std::byte> piece(
      std::clamp<uint64_t>(channel.payload_bytes_max(), 1, kPieceBytesMax));
  for (uint64_t bytes = kFirstStreamBytes;; bytes *= 2) {
    const auto piece_count = static_cast<uint32_t>(
        std::clamp<uint64_t>(bytes / piece.size(), 1, kPieceCountMax));
    const absl::Time started = absl::Now();
    SHOAL_RETURN_IF_ERROR(
        Stream(channel, to_peer, piece_count, piece, deadline));
    const absl::Duration elapsed = absl::Now() - started;
    if (elapsed < options.stream_time_min &&
        2 * bytes <= options.stream_bytes_max) {
      continue;
    }
    // The request or the answer took one round trip of it.
    const absl::Duration sending = std::max(elapsed - round_trip, elapsed / 10);
    return static_cast<double>(piece_count) *
           static_cast<double>(piece.size()) / absl::ToDoubleSeconds(sending);
  }
}

absl::Status AnswerPieces(Channel& channel, const FrameHeader& request,
                          absl::Time deadline) {
  if (request.offset < 1 || request.offset > kPieceCountMax ||
      request.tokens > channel.payload_bytes_max()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "link measurement: rank ", channel.peer_rank(), " (",
        channel.peer_name(), ") asked for ", request.offset, " pieces of ",
        request.tokens, " bytes, allowed: 1 to ", kPieceCountMax,
        " pieces of <= ", channel.payload_bytes_max(), " bytes"));
  }
  return SendPieces(channel, request.offset,
                    std::vector<std::byte>(request.tokens), deadline);
}

}  // namespace

absl::StatusOr<LinkProfile> MeasureLink(Channel& channel,
                                        const LinkMeasureOptions& options,
                                        absl::Time deadline) {
  SHOAL_CHECK(options.ping_count >= 1);
  LinkProfile profile;
  SHOAL_ASSIGN_OR_RETURN(profile.round_trip,
                         MeasureRoundTrip(channel, options, deadline));
  SHOAL_ASSIGN_OR_RETURN(profile.send_bytes_per_second,
                         MeasureRate(channel, /*to_peer=*/true,
                                     profile.round_trip, options, deadline));
  SHOAL_ASSIGN_OR_RETURN(profile.receive_bytes_per_second,
                         MeasureRate(channel, /*to_peer=*/false,
                                     profile.round_trip, options, deadline));
  SHOAL_RETURN_IF_ERROR(channel.Send(Header(kDone), {}, deadline));
  SHOAL_RETURN_IF_ERROR(ReceiveStep(channel, kAnswered, deadline).status());
  return profile;
}

absl::Status AnswerLinkMeasure(Channel& channel, absl::Time deadline) {
  for (;;) {
    SHOAL_ASSIGN_OR_RETURN(const Frame frame, channel.Receive(deadline));
    const FrameHeader& header = frame.header;
    const uint32_t step = header.type == FrameType::kMeasure
                              ? header.phase
                              : static_cast<uint32_t>(kAnswered);
    switch (step) {
      case kPing:
        SHOAL_RETURN_IF_ERROR(
            channel.Send(Header(kPing), frame.payload, deadline));
        break;
      case kPiece:
        if (header.offset > 0) break;
        SHOAL_RETURN_IF_ERROR(channel.Send(Header(kAnswered), {}, deadline));
        break;
      case kPieces:
        SHOAL_RETURN_IF_ERROR(AnswerPieces(channel, header, deadline));
        break;
      case kDone:
        return channel.Send(Header(kAnswered), {}, deadline);
      default:
        return absl::InvalidArgumentError(
            absl::StrCat("link measurement: rank ", channel.peer_rank(), " (",
                         channel.peer_name(), ") sent ", ToString(header),
                         ", allowed: kMeasure of phase 0 to 3"));
    }
  }
}

}  // namespace shoal::transport

#include "transport/shared_link.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "transport/frame.h"
#include "transport/little_endian.h"

namespace shoal::transport {
namespace {

// The payload of an offer: nonce, bytes of the area (u64), path.
constexpr size_t kAreaBytesAt = std::tuple_size_v<AreaNonce>;
constexpr size_t kPathAt = kAreaBytesAt + sizeof(uint64_t);
constexpr size_t kPathBytesMax = 64;

// The payload of a note: offset and bytes of the frame in the area (u64 each).
constexpr size_t kNoteBytes = 2 * sizeof(uint64_t);
using Note = std::array<std::byte, kFrameHeaderBytes + kNoteBytes>;

void EncodeHeader(uint16_t type, std::span<const std::byte> payload,
                  std::span<std::byte, kFrameHeaderBytes> out) {
  FrameHeader header;
  header.type = static_cast<FrameType>(type);
  EncodeFrameHeader(header, payload, out);
}

Note EncodeNote(uint64_t offset, uint64_t bytes) {
  Note note;
  const auto payload = std::span(note).subspan<kFrameHeaderBytes>();
  Put(payload, 0, offset);
  Put(payload, sizeof(offset), bytes);
  EncodeHeader(kSharedFrameType, payload,
               std::span(note).first<kFrameHeaderBytes>());
  return note;
}

}  // namespace

SharedLink::SharedLink(const LinkOptions& options, bool listening,
                       std::unique_ptr<Link> inner)
    : area_bytes_(options.network.shared_bytes),
      listening_(listening),
      inner_(std::move(inner)) {
  SHOAL_CHECK(area_bytes_ > 0);
}

absl::Status SharedLink::Offer(absl::Time deadline) {
  if (offered_) return absl::OkStatus();
  if (!out_) {
    auto area = SharedArea::Create(area_bytes_);
    if (!area.ok()) {
      SHOAL_LOG(kWarning, area.status().message(),
                "; large messages go over the socket");
      offered_ = true;
      return absl::OkStatus();
    }
    out_ = *std::move(area);
  }
  const std::string path = out_->path();
  SHOAL_CHECK(path.size() <= kPathBytesMax, path);
  std::array<std::byte, kPathAt + kPathBytesMax> bytes;
  std::copy(out_->nonce().begin(), out_->nonce().end(), bytes.begin());
  Put(bytes, kAreaBytesAt, uint64_t{out_->size()});
  std::memcpy(bytes.data() + kPathAt, path.data(), path.size());
  const auto payload = std::span(bytes).first(kPathAt + path.size());
  std::array<std::byte, kFrameHeaderBytes> header;
  EncodeHeader(kShareOfferType, payload, header);
  SHOAL_RETURN_IF_ERROR(inner_->Send(header, payload, deadline));
  offered_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::span<std::byte>> SharedLink::TakeRoom(size_t bytes,
                                                          absl::Time deadline) {
  if (bytes < kBytesMin || !has_peer_) return std::span<std::byte>();
  SHOAL_RETURN_IF_ERROR(Offer(deadline));
  if (!out_ || !out_->attached()) return std::span<std::byte>();
  room_ = out_->Take(bytes);
  return room_.bytes;
}

absl::Status SharedLink::SendRoom(absl::Time deadline) {
  const Note note = EncodeNote(room_.offset, room_.bytes.size());
  const absl::Status sent = inner_->Send(note, {}, deadline);
  if (!sent.ok()) out_->GiveBack();
  return sent;
}

void SharedLink::Accept(std::span<const std::byte> offer) {
  if (std::exchange(was_offered_, true)) return;
  const absl::Status attached = Attach(offer.subspan(kFrameHeaderBytes));
  if (attached.ok()) return;
  SHOAL_LOG(kWarning, attached.message(),
            "; large messages come over the socket");
}

absl::Status SharedLink::Attach(std::span<const std::byte> payload) {
  if (payload.size() <= kPathAt || payload.size() > kPathAt + kPathBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shared memory: the peer's offer has ", payload.size(), " bytes, not ",
        kPathAt + 1, " to ", kPathAt + kPathBytesMax));
  }
  AreaNonce nonce;
  std::copy_n(payload.begin(), nonce.size(), nonce.begin());
  const auto bytes = Get<uint64_t>(payload, kAreaBytesAt);
  // No more than this end offers itself.
  if (bytes > area_bytes_ + SharedArea::kAlignment) {
    return absl::InvalidArgumentError(
        absl::StrCat("shared memory: the peer offers ", bytes,
                     " bytes, where this end would ", area_bytes_));
  }
  const std::string path(
      reinterpret_cast<const char*>(payload.data()) + kPathAt,
      payload.size() - kPathAt);
  SHOAL_ASSIGN_OR_RETURN(in_, AttachedArea::Attach(path, nonce, bytes));
  return absl::OkStatus();
}

std::span<std::byte> SharedLink::MessageOf(
    std::span<const std::byte> note) const {
  const auto payload = note.subspan(kFrameHeaderBytes);
  if (!in_ || payload.size() != kNoteBytes) return {};
  const auto message = in_->At(Get<uint64_t>(payload, 0),
                               Get<uint64_t>(payload, sizeof(uint64_t)));
  return message.size() < kFrameHeaderBytes ? std::span<std::byte>() : message;
}

absl::StatusOr<std::span<std::byte>> SharedLink::Receive(absl::Time deadline) {
  if (std::exchange(in_use_, false)) in_->Release();
  for (;;) {
    SHOAL_ASSIGN_OR_RETURN(const std::span<std::byte> message,
                           inner_->Receive(deadline));
    // Who dialled knows its peer by the first message; until then, and if a
    // checksum is wrong, the frame is for the caller to refuse.
    if (!has_peer_) {
      has_peer_ = !listening_;
      return message;
    }
    if (IsWholeFrame(message, kShareOfferType)) {
      Accept(message);
      continue;
    }
    if (!IsWholeFrame(message, kSharedFrameType)) return message;
    const std::span<std::byte> frame = MessageOf(message);
    if (frame.empty()) {
      return absl::InvalidArgumentError(
          "says that a frame is where the shared memory has no place for it");
    }
    in_use_ = true;
    return frame;
  }
}

}  // namespace shoal::transport

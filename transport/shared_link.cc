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

// Where the type lies in every frame.
constexpr size_t kTypeAt = 6;

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

SharedLink::SharedLink(const LinkOptions& options, std::unique_ptr<Link> inner)
    : area_bytes_(options.network.shared_bytes), inner_(std::move(inner)) {
  SHOAL_CHECK(area_bytes_ > 0);
}

absl::Status SharedLink::Offer(absl::Time deadline) {
  if (offered_) return absl::OkStatus();
  if (!out_) {
    auto area = SharedArea::Create(area_bytes_);
    if (!area.ok()) {
      SHOAL_LOG(kInfo, area.status().message(),
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

absl::Status SharedLink::Send(std::span<const std::byte> head,
                              std::span<const std::byte> tail,
                              absl::Time deadline) {
  const size_t bytes = head.size() + tail.size();
  if (bytes < kBytesMin) return inner_->Send(head, tail, deadline);
  SHOAL_RETURN_IF_ERROR(Offer(deadline));
  if (!out_ || !out_->attached()) return inner_->Send(head, tail, deadline);
  const SharedArea::Place place = out_->Take(bytes);
  if (place.bytes.empty()) return inner_->Send(head, tail, deadline);
  std::memcpy(place.bytes.data(), head.data(), head.size());
  if (!tail.empty()) {
    std::memcpy(place.bytes.data() + head.size(), tail.data(), tail.size());
  }
  const Note note = EncodeNote(place.offset, bytes);
  const absl::Status sent = inner_->Send(note, {}, deadline);
  if (!sent.ok()) out_->GiveBack();
  return sent;
}

void SharedLink::Accept(std::span<const std::byte> offer) {
  const auto payload = offer.subspan(kFrameHeaderBytes);
  if (payload.size() <= kPathAt || payload.size() > kPathAt + kPathBytesMax) {
    return;
  }
  AreaNonce nonce;
  std::copy_n(payload.begin(), nonce.size(), nonce.begin());
  const auto bytes = Get<uint64_t>(payload, kAreaBytesAt);
  // No more than this end offers itself.
  if (bytes > area_bytes_ + SharedArea::kAlignment) return;
  const std::string path(
      reinterpret_cast<const char*>(payload.data()) + kPathAt,
      payload.size() - kPathAt);
  auto area = AttachedArea::Attach(path, nonce, bytes);
  if (area.ok()) {
    in_ = *std::move(area);
  } else {
    SHOAL_LOG(kInfo, area.status().message(),
              "; large messages come over the socket");
  }
}

absl::StatusOr<std::span<std::byte>> SharedLink::Receive(absl::Time deadline) {
  if (in_use_) {
    in_->Release();
    in_use_ = false;
  }
  for (;;) {
    SHOAL_ASSIGN_OR_RETURN(const std::span<std::byte> message,
                           inner_->Receive(deadline));
    if (message.size() < kFrameHeaderBytes) return message;
    const auto type = Get<uint16_t>(message, kTypeAt);
    if (type == kShareOfferType && !in_) {
      Accept(message);
      continue;
    }
    if (type != kSharedFrameType) return message;
    const auto payload = message.subspan(kFrameHeaderBytes);
    std::span<std::byte> frame;
    if (in_ && payload.size() == kNoteBytes) {
      frame = in_->At(Get<uint64_t>(payload, 0),
                      Get<uint64_t>(payload, sizeof(uint64_t)));
    }
    if (frame.size() < kFrameHeaderBytes) {
      return absl::DataLossError(
          "sent a frame that is not where it says, in the shared memory");
    }
    in_use_ = true;
    return frame;
  }
}

}  // namespace shoal::transport

#include "transport/sealed_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "security/random_bytes.h"
#include "transport/hello.h"

namespace shoal::transport {

using security::CipherSuite;
using security::FrameCipher;

LinkOptions SealedLink::Inner(LinkOptions options) {
  options.network.payload_bytes_max += kSealedExtraBytes;
  return options;
}

SealedLink::SealedLink(const LinkOptions& options,
                       const security::SecretKey& secret, bool listening,
                       std::unique_ptr<Link> inner)
    : secret_(secret),
      listening_(listening),
      message_bytes_max_(
          kSealedExtraBytes +
          std::max<uint64_t>(
              kFrameHeaderBytes + options.network.payload_bytes_max,
              kHelloFrameBytesMax)),
      out_(std::make_unique_for_overwrite<std::byte[]>(message_bytes_max_)),
      inner_(std::move(inner)) {
  security::FillRandom(next_.salt);
  next_.suite = security::PreferredSuite();
}

FrameCipher SealedLink::CipherFor(const Salt& salt, CipherSuite suite,
                                  FrameCipher::Direction direction) {
  // Whose frames: of the end that dialled, or of the one that listened.
  const bool of_listener =
      listening_ == (direction == FrameCipher::Direction::kSeal);
  const std::string purpose =
      absl::StrCat("shoal data link, ", of_listener ? "listener" : "dialler",
                   ", suite ", static_cast<int>(suite));
  return FrameCipher(suite, security::DeriveKey(secret_, salt, purpose),
                     direction);
}

absl::Status SealedLink::Send(std::span<const std::byte> head,
                              std::span<const std::byte> tail,
                              absl::Time deadline) {
  // To a stranger that has no key.
  if (listening_ && !opener_) return inner_->Send(head, tail, deadline);
  // The peer is slow with the other one.
  if (opener_ && opener_->suite == CipherSuite::kChaCha20Poly1305 &&
      next_.suite != opener_->suite) {
    next_.suite = opener_->suite;
    sealer_.reset();
  }
  if (!sealer_) {
    sealer_ = CipherFor(next_.salt, next_.suite, FrameCipher::Direction::kSeal);
  }
  const size_t frame_bytes = head.size() + tail.size();
  SHOAL_CHECK(frame_bytes + kSealedExtraBytes <= message_bytes_max_,
              frame_bytes);
  const std::span<std::byte> out(out_.get(), frame_bytes + kSealedExtraBytes);
  const auto clear = out.first<kFrameHeaderBytes>();
  EncodeSealedHeader(next_, frame_bytes, clear);
  sealer_->Seal(next_.counter, clear, head, tail,
                out.subspan(kFrameHeaderBytes));
  SHOAL_RETURN_IF_ERROR(inner_->Send(out, {}, deadline));
  // After an error nothing has left, and the number is still good.
  ++next_.counter;
  return absl::OkStatus();
}

std::span<std::byte> SealedLink::OpenWith(Opener& opener,
                                          const SealedHeader& header,
                                          std::span<std::byte> message) {
  if (header.salt != opener.salt) return {};
  if (header.suite != opener.suite) {
    opener.suite = header.suite;
    opener.cipher =
        CipherFor(opener.salt, opener.suite, FrameCipher::Direction::kOpen);
  }
  const auto sealed = message.subspan(kFrameHeaderBytes);
  if (!opener.cipher.Open(header.counter, message.first(kFrameHeaderBytes),
                          sealed)) {
    return {};
  }
  return sealed.first(sealed.size() - FrameCipher::kTagBytes);
}

absl::StatusOr<std::span<std::byte>> SealedLink::OpenFirst(
    std::span<std::byte> message) {
  opener_.reset();
  const auto header = DecodeSealedHeader(message);
  std::span<std::byte> frame;
  if (header) {
    Opener opener{
        header->salt, header->suite,
        CipherFor(header->salt, header->suite, FrameCipher::Direction::kOpen),
        header->counter + 1};
    frame = OpenWith(opener, *header, message);
    if (!frame.empty()) opener_.emplace(std::move(opener));
  }
  if (!frame.empty()) return frame;
  return absl::PermissionDeniedError(
      listening_ ? "does not have the key of this plan's links: it belongs to "
                   "another fleet or run"
                 : "refused us, or does not have the key of this plan's links: "
                   "it belongs to another fleet or run");
}

absl::StatusOr<std::span<std::byte>> SealedLink::OpenNext(
    std::span<std::byte> message) {
  const auto header = DecodeSealedHeader(message);
  const std::span<std::byte> frame =
      header ? OpenWith(*opener_, *header, message) : std::span<std::byte>();
  if (frame.empty()) {
    return absl::DataLossError(
        "sent a frame that was damaged or forged on its way");
  }
  if (header->counter != opener_->next_counter) {
    return absl::UnavailableError(absl::StrCat(
        "sent frames that were lost or repeated on their way: got number ",
        header->counter, ", wanted ", opener_->next_counter));
  }
  ++opener_->next_counter;
  return frame;
}

absl::StatusOr<std::span<std::byte>> SealedLink::Receive(absl::Time deadline) {
  SHOAL_ASSIGN_OR_RETURN(const std::span<std::byte> message,
                         inner_->Receive(deadline));
  if (has_peer_) return OpenNext(message);
  auto frame = OpenFirst(message);
  // Who listens hears others until KeepPeer().
  has_peer_ = !listening_ && frame.ok();
  return frame;
}

void SealedLink::KeepPeer() {
  SHOAL_CHECK(opener_.has_value());
  inner_->KeepPeer();
  has_peer_ = true;
}

}  // namespace shoal::transport

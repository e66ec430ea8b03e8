// A link whose messages only the two ranks at its ends can read or make.

#ifndef SHOAL_TRANSPORT_SEALED_LINK_H_
#define SHOAL_TRANSPORT_SEALED_LINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "security/frame_cipher.h"
#include "security/key_derivation.h"
#include "transport/link.h"
#include "transport/sealed_frame.h"

namespace shoal::transport {

// Seals what goes out and opens what comes in over another link. Each direction
// of each link has a key of its own, derived from the epoch's secret, and its
// frames are counted: none can be read, changed, made up, left out, repeated or
// turned round by who has the wire, whole links can be cut.
//
// Cost:     that of FrameCipher, and kSealedExtraBytes on the wire.
// Memory:   one message, of which only what is used is taken. No call allocates
//           after the first message of each direction.
// Threads:  as of Link.
// Failure:  beside those of Link, Receive() gives
//   kPermissionDenied  before KeepPeer(), or of the first message of a dialed
//                      link: the other end does not have the secret. A
//                      listening link goes on, and tells the stranger in clear
//                      what is sent next.
//   kDataLoss          later: damaged or forged
//   kUnavailable       later: frames are missing or repeated
class SealedLink final : public Link {
 public:
  // For the link below: what is sealed is longer.
  static LinkOptions Inner(LinkOptions options);

  SealedLink(const LinkOptions& options, const security::SecretKey& secret,
             bool listening, std::unique_ptr<Link> inner);

  const std::string& endpoint() const override { return inner_->endpoint(); }
  absl::Status Send(std::span<const std::byte> head,
                    std::span<const std::byte> tail,
                    absl::Time deadline) override;
  absl::StatusOr<std::span<std::byte>> Receive(absl::Time deadline) override;
  void KeepPeer() override;
  void set_polling_time(absl::Duration time) override {
    inner_->set_polling_time(time);
  }

 private:
  using Salt = decltype(SealedHeader::salt);
  // What opens the frames of one salt.
  struct Opener {
    Salt salt;
    security::CipherSuite suite;
    security::FrameCipher cipher;
    uint64_t next_counter = 0;
  };

  security::FrameCipher CipherFor(const Salt& salt, security::CipherSuite suite,
                                  security::FrameCipher::Direction direction);
  // The frame within; empty: not of this key.
  std::span<std::byte> OpenWith(Opener& opener, const SealedHeader& header,
                                std::span<std::byte> message);
  absl::StatusOr<std::span<std::byte>> OpenFirst(std::span<std::byte> message);
  absl::StatusOr<std::span<std::byte>> OpenNext(std::span<std::byte> message);

  const security::SecretKey secret_;
  const bool listening_;
  const size_t message_bytes_max_;
  const std::unique_ptr<std::byte[]> out_;  // [message_bytes_max_]
  const std::unique_ptr<Link> inner_;

  SealedHeader next_;  // of the next frame to send
  std::optional<security::FrameCipher> sealer_;
  std::optional<Opener> opener_;  // of the last guest, then of the peer
  bool has_peer_ = false;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_SEALED_LINK_H_

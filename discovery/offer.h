// What a coordinator tells whoever asks the network, and the two datagrams in
// which that is asked and told (docs/wire-format.md, Offers).

#ifndef SHOAL_DISCOVERY_OFFER_H_
#define SHOAL_DISCOVERY_OFFER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "security/certificate.h"

namespace shoal::discovery {

// Questions go to this group, of addresses that no router passes on (RFC 2365),
// and to this UDP port.
inline constexpr char kGroupAddress[] = "239.255.83.72";
inline constexpr uint16_t kOfferPort = 7070;

inline constexpr size_t kNameBytesMax = security::kCertificateNameBytesMax;
inline constexpr size_t kVersionBytesMax = 32;

// A question is as long as this, an answer never longer: who asks with the
// address of another cannot make more of its bytes than they were.
inline constexpr size_t kQuestionBytes = 256;

// Not to be trusted: anybody on the network may have sent it. The fingerprint
// is what the coordinator's TLS shows to everybody anyway.
struct Offer {
  std::string name;       // the fleet's, 1 to kNameBytesMax bytes of ASCII
  uint16_t port = 0;      // TCP, gRPC; not 0
  uint32_t protocol = 0;  // proto::kFleetProtocolVersion
  std::string program;    // its version, at most kVersionBytesMax
  std::optional<security::Fingerprint> authority;  // none: no TLS

  bool operator==(const Offer&) const = default;
};

// Drawn by who asks; an answer repeats it, so that none can be made up by
// somebody who has not seen the question.
using Nonce = std::array<uint8_t, 16>;

struct Answer {
  Nonce nonce = {};
  Offer offer;
};

// `text` cut to `bytes_max`, with what is no printable ASCII as '?', so that a
// name can do nothing to the terminal on which it is shown.
std::string PlainText(absl::string_view text, size_t bytes_max);

std::vector<std::byte> EncodeQuestion(const Nonce& nonce);
// REQUIRES: the offer is as above.
std::vector<std::byte> EncodeAnswer(const Answer& answer);

// None: it is no such datagram, down to its last byte.
std::optional<Nonce> ParseQuestion(std::span<const std::byte> datagram);
std::optional<Answer> ParseAnswer(std::span<const std::byte> datagram);

}  // namespace shoal::discovery

#endif  // SHOAL_DISCOVERY_OFFER_H_

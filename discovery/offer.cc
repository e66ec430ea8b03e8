#include "discovery/offer.h"

#include <algorithm>

#include "base/check.h"
#include "transport/little_endian.h"

namespace shoal::discovery {
namespace {

using transport::Get;
using transport::Put;

constexpr absl::string_view kQuestionMagic = "shoalask";
constexpr absl::string_view kAnswerMagic = "shoaloff";
constexpr uint16_t kFormat = 1;

// Of both.
constexpr size_t kFormatAt = 8;
constexpr size_t kNonceAt = 10;
constexpr size_t kQuestionEnd = kNonceAt + std::tuple_size_v<Nonce>;
// Of an answer alone; then the name and the version, a byte for the length
// before each.
constexpr size_t kPortAt = kQuestionEnd;
constexpr size_t kProtocolAt = kPortAt + sizeof(uint16_t);
constexpr size_t kHasAuthorityAt = kProtocolAt + sizeof(uint32_t);
constexpr size_t kAuthorityAt = kHasAuthorityAt + 1;
constexpr size_t kTextsAt =
    kAuthorityAt + std::tuple_size_v<security::Fingerprint>;

static_assert(kQuestionMagic.size() == kFormatAt &&
              kAnswerMagic.size() == kFormatAt);
static_assert(kTextsAt + 1 + kNameBytesMax + 1 + kVersionBytesMax <=
              kQuestionBytes);

bool IsPrintable(char letter) { return letter >= ' ' && letter <= '~'; }

template <size_t kSize>
void PutBytes(std::span<std::byte> out, size_t at,
              const std::array<uint8_t, kSize>& bytes) {
  std::ranges::copy(std::as_bytes(std::span(bytes)), out.begin() + at);
}

template <size_t kSize>
std::array<uint8_t, kSize> GetBytes(std::span<const std::byte> in, size_t at) {
  std::array<uint8_t, kSize> bytes;
  std::ranges::copy(in.subspan(at, kSize),
                    std::as_writable_bytes(std::span(bytes)).begin());
  return bytes;
}

void Begin(std::span<std::byte> out, absl::string_view magic,
           const Nonce& nonce) {
  std::ranges::copy(std::as_bytes(std::span(magic.data(), magic.size())),
                    out.begin());
  Put<uint16_t>(out, kFormatAt, kFormat);
  PutBytes(out, kNonceAt, nonce);
}

// REQUIRES: kQuestionEnd bytes.
bool Begins(std::span<const std::byte> in, absl::string_view magic) {
  return std::ranges::equal(
             in.first(magic.size()),
             std::as_bytes(std::span(magic.data(), magic.size()))) &&
         Get<uint16_t>(in, kFormatAt) == kFormat;
}

void AppendText(absl::string_view text, size_t bytes_max,
                std::vector<std::byte>& to) {
  SHOAL_CHECK(text.size() <= bytes_max &&
              std::all_of(text.begin(), text.end(), IsPrintable));
  to.push_back(static_cast<std::byte>(text.size()));
  for (const char letter : text) to.push_back(static_cast<std::byte>(letter));
}

// Takes the text at the front of `rest`. False: there is none, or not such.
bool TakeText(size_t bytes_max, std::span<const std::byte>& rest,
              std::string& text) {
  if (rest.empty()) return false;
  const auto size = static_cast<size_t>(rest[0]);
  rest = rest.subspan(1);
  if (size > bytes_max || size > rest.size()) return false;
  text.resize(size);
  std::ranges::transform(rest.first(size), text.begin(), [](std::byte byte) {
    return static_cast<char>(byte);
  });
  rest = rest.subspan(size);
  return std::ranges::all_of(text, IsPrintable);
}

}  // namespace

std::string PlainText(absl::string_view text, size_t bytes_max) {
  std::string plain(text.substr(0, bytes_max));
  std::ranges::replace_if(
      plain, [](char letter) { return !IsPrintable(letter); }, '?');
  return plain;
}

std::vector<std::byte> EncodeQuestion(const Nonce& nonce) {
  std::vector<std::byte> datagram(kQuestionBytes);
  Begin(datagram, kQuestionMagic, nonce);
  return datagram;
}

std::vector<std::byte> EncodeAnswer(const Answer& answer) {
  const Offer& offer = answer.offer;
  SHOAL_CHECK(offer.port != 0 && !offer.name.empty());
  std::vector<std::byte> datagram(kTextsAt);
  Begin(datagram, kAnswerMagic, answer.nonce);
  Put<uint16_t>(datagram, kPortAt, offer.port);
  Put<uint32_t>(datagram, kProtocolAt, offer.protocol);
  if (offer.authority) {
    datagram[kHasAuthorityAt] = std::byte{1};
    PutBytes(datagram, kAuthorityAt, *offer.authority);
  }
  AppendText(offer.name, kNameBytesMax, datagram);
  AppendText(offer.program, kVersionBytesMax, datagram);
  return datagram;
}

std::optional<Nonce> ParseQuestion(std::span<const std::byte> datagram) {
  if (datagram.size() != kQuestionBytes || !Begins(datagram, kQuestionMagic) ||
      !std::ranges::all_of(datagram.subspan(kQuestionEnd), [](std::byte byte) {
        return byte == std::byte{};
      })) {
    return std::nullopt;
  }
  return GetBytes<std::tuple_size_v<Nonce>>(datagram, kNonceAt);
}

std::optional<Answer> ParseAnswer(std::span<const std::byte> datagram) {
  if (datagram.size() < kTextsAt || datagram.size() > kQuestionBytes ||
      !Begins(datagram, kAnswerMagic)) {
    return std::nullopt;
  }
  Answer answer;
  answer.nonce = GetBytes<std::tuple_size_v<Nonce>>(datagram, kNonceAt);
  Offer& offer = answer.offer;
  offer.port = Get<uint16_t>(datagram, kPortAt);
  offer.protocol = Get<uint32_t>(datagram, kProtocolAt);
  const auto authority = GetBytes<std::tuple_size_v<security::Fingerprint>>(
      datagram, kAuthorityAt);
  switch (static_cast<uint8_t>(datagram[kHasAuthorityAt])) {
    case 0:
      if (authority != security::Fingerprint{}) return std::nullopt;
      break;
    case 1:
      offer.authority = authority;
      break;
    default:
      return std::nullopt;
  }
  auto rest = datagram.subspan(kTextsAt);
  if (!TakeText(kNameBytesMax, rest, offer.name) ||
      !TakeText(kVersionBytesMax, rest, offer.program) || !rest.empty() ||
      offer.name.empty() || offer.port == 0) {
    return std::nullopt;
  }
  return answer;
}

}  // namespace shoal::discovery

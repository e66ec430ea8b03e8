#include "security/join_token.h"

#include <algorithm>
#include <span>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "security/random_bytes.h"
#include "security/secret_file.h"

namespace shoal::security {
namespace {

constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz234567";
constexpr size_t kCheckBytes = 3;
constexpr size_t kTokenBytes = 16 + 16 + kCheckBytes;
static_assert(kTokenBytes * 8 == JoinToken::kTextLetters * 5);

using TokenBytes = std::array<uint8_t, kTokenBytes>;

void FillCheck(TokenBytes& bytes) {
  const auto body = std::span(bytes).first<kTokenBytes - kCheckBytes>();
  const uint32_t sum = base::Crc32c(std::as_bytes(body));
  for (size_t i = 0; i < kCheckBytes; ++i) {
    bytes[body.size() + i] = static_cast<uint8_t>(sum >> (8 * i));
  }
}

// 0 to 31, or -1.
int ValueOf(char letter) {
  if (letter >= 'a' && letter <= 'z') return letter - 'a';
  if (letter >= '2' && letter <= '7') return letter - '2' + 26;
  return -1;
}

// REQUIRES: kTextLetters letters, all of them with a value.
TokenBytes Unpack(absl::string_view letters) {
  TokenBytes bytes = {};
  for (size_t bit = 0; bit < kTokenBytes * 8; ++bit) {
    const int value = ValueOf(letters[bit / 5]);
    const int set = (value >> (4 - bit % 5)) & 1;
    bytes[bit / 8] =
        static_cast<uint8_t>(bytes[bit / 8] | set << (7 - bit % 8));
  }
  return bytes;
}

absl::Status NoToken() {
  return absl::InvalidArgumentError(
      absl::StrCat("this is not a Shoal token, which begins with \"",
                   JoinToken::kPrefix, "\""));
}

}  // namespace

JoinToken JoinToken::Make(const Fingerprint& authority) {
  JoinToken token;
  FillRandom(token.secret_);
  std::copy_n(authority.begin(), token.fingerprint_.size(),
              token.fingerprint_.begin());
  return token;
}

bool JoinToken::LooksLikeOne(absl::string_view text) {
  return absl::StartsWithIgnoreCase(text, kPrefix);
}

absl::StatusOr<JoinToken> JoinToken::Parse(absl::string_view text) {
  const std::string lower =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
  const absl::string_view whole = lower;
  if (!LooksLikeOne(whole)) {
    // The beginning of the prefix is a token cut off very early.
    if (whole.empty() || !absl::StartsWith(kPrefix, whole)) return NoToken();
  }
  const absl::string_view letters =
      whole.substr(std::min(whole.size(), sizeof(kPrefix) - 1));
  const auto wrong = std::find_if(letters.begin(), letters.end(),
                                  [](char c) { return ValueOf(c) < 0; });
  if (wrong != letters.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the token has a letter that none has, the ",
                     wrong - letters.begin() + sizeof(kPrefix),
                     ". of its text; allowed: ", "a to z and 2 to 7"));
  }
  if (letters.size() != kTextLetters) {
    const size_t wanted = sizeof(kPrefix) - 1 + kTextLetters;
    return absl::InvalidArgumentError(absl::StrCat(
        "the token is ", letters.size() < kTextLetters ? "cut off" : "too long",
        ": ", whole.size(), " letters, a whole one has ", wanted));
  }
  const TokenBytes bytes = Unpack(letters);
  TokenBytes right = bytes;
  FillCheck(right);
  if (bytes != right) {
    return absl::InvalidArgumentError(
        "the token is mistyped: its last letters do not fit the others");
  }
  JoinToken token;
  std::copy_n(bytes.begin(), token.secret_.size(), token.secret_.begin());
  std::copy_n(bytes.begin() + token.secret_.size(), token.fingerprint_.size(),
              token.fingerprint_.begin());
  return token;
}

absl::StatusOr<JoinToken> JoinToken::ReadFile(const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(const std::string content,
                         ReadSecretFile(path, FileReaders::kOwner));
  auto token = Parse(absl::string_view(content).substr(0, content.find('\n')));
  if (token.ok()) return token;
  return absl::Status(token.status().code(),
                      absl::StrCat(path, ": ", token.status().message()));
}

std::string JoinToken::ToText() const {
  TokenBytes bytes = {};
  const auto end = std::copy(secret_.begin(), secret_.end(), bytes.begin());
  std::copy(fingerprint_.begin(), fingerprint_.end(), end);
  FillCheck(bytes);
  std::string text = kPrefix;
  for (size_t first = 0; first < kTokenBytes * 8; first += 5) {
    unsigned value = 0;
    for (size_t bit = first; bit < first + 5; ++bit) {
      value = value << 1 | ((bytes[bit / 8] >> (7 - bit % 8)) & 1u);
    }
    text += kLetters[value];
  }
  return text;
}

bool JoinToken::HasSecret(absl::string_view shown) const {
  if (shown.size() != secret_.size()) return false;
  volatile unsigned difference = 0;
  for (size_t i = 0; i < secret_.size(); ++i) {
    difference = difference | (secret_[i] ^ static_cast<uint8_t>(shown[i]));
  }
  return difference == 0;
}

bool JoinToken::IsFor(const Fingerprint& authority) const {
  return std::equal(fingerprint_.begin(), fingerprint_.end(),
                    authority.begin());
}

absl::StatusOr<JoinTarget> JoinTarget::Parse(absl::string_view text) {
  JoinTarget target;
  const size_t hash = text.find('#');
  target.address = std::string(text.substr(0, hash));
  if (target.address.empty() ||
      target.address.rfind(':') == std::string::npos) {
    // Whoever forgot the address may have given the token alone.
    return absl::InvalidArgumentError(
        JoinToken::LooksLikeOne(text)
            ? "a token without an address; write HOST:PORT#TOKEN"
            : "no address; write HOST:PORT#TOKEN, such as "
              "192.168.1.10:7070#shoal1-...");
  }
  if (hash == absl::string_view::npos) return target;
  SHOAL_ASSIGN_OR_RETURN(target.token, JoinToken::Parse(text.substr(hash + 1)));
  return target;
}

}  // namespace shoal::security

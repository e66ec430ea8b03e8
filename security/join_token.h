// The join token: what a device must know to become part of a fleet.

#ifndef SHOAL_SECURITY_JOIN_TOKEN_H_
#define SHOAL_SECURITY_JOIN_TOKEN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "security/certificate.h"

namespace shoal::security {

// A secret that proves to the coordinator that the device was invited, and the
// beginning of the fingerprint of the fleet's authority, which proves to the
// device that it speaks with the right coordinator before it shows the secret.
//
// As text: "shoal1-", then 56 letters of a-z and 2-7 (RFC 4648 base32), which
// hold 16 bytes of secret, 16 bytes of fingerprint (to meet half of a SHA-256
// takes 2^128 tries) and 3 of a checksum that finds typing errors. Text with
// capitals is the same token.
class JoinToken {
 public:
  static constexpr char kPrefix[] = "shoal1-";
  static constexpr size_t kTextLetters = 56;

  using Secret = std::array<uint8_t, 16>;
  using FingerprintStart = std::array<uint8_t, 16>;

  // With a new secret.
  static JoinToken Make(const Fingerprint& authority);

  // Spaces around it are ignored. No message repeats what was given.
  // Errors: kInvalidArgument  it is cut off, too long, mistyped, or no token at
  //                           all: the message says which
  static absl::StatusOr<JoinToken> Parse(absl::string_view text);

  // From a file with mode 0600 (secret_file.h), whose first line it is.
  // Errors: as ReadSecretFile() and Parse(), with the path
  static absl::StatusOr<JoinToken> ReadFile(const std::string& path);

  // Secret.
  std::string ToText() const;

  // Whether `text` begins as a token does; one of an older kind does not.
  static bool LooksLikeOne(absl::string_view text);

  // Shown to the coordinator inside TLS only.
  const Secret& secret() const { return secret_; }
  // In a time that does not depend on where they differ.
  bool HasSecret(absl::string_view shown) const;
  bool IsFor(const Fingerprint& authority) const;

  bool operator==(const JoinToken&) const = default;

 private:
  Secret secret_ = {};
  FingerprintStart fingerprint_ = {};
};

// "HOST:PORT#TOKEN", or without "#TOKEN".
struct JoinTarget {
  std::string address;  // HOST:PORT; not checked any further
  std::optional<JoinToken> token;

  // Errors: kInvalidArgument  no address, or as JoinToken::Parse()
  static absl::StatusOr<JoinTarget> Parse(absl::string_view text);
};

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_JOIN_TOKEN_H_

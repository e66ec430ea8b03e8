// Keys for many uses from one secret.

#ifndef SHOAL_SECURITY_KEY_DERIVATION_H_
#define SHOAL_SECURITY_KEY_DERIVATION_H_

#include <array>
#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"

namespace shoal::security {

using SecretKey = std::array<uint8_t, 32>;

// HKDF (RFC 5869) with SHA-256. Who knows a derived key learns nothing of the
// secret or of what is derived for another `purpose` or with another `salt`.
// Threads: thread-safe.
SecretKey DeriveKey(const SecretKey& secret, std::span<const uint8_t> salt,
                    absl::string_view purpose);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_KEY_DERIVATION_H_

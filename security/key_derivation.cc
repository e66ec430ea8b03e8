#include "security/key_derivation.h"

#include <openssl/kdf.h>

#include <string>

#include "base/check.h"
#include "security/openssl_types.h"

namespace shoal::security {

SecretKey DeriveKey(const SecretKey& secret, std::span<const uint8_t> salt,
                    absl::string_view purpose) {
  // RFC 5869: without a salt it is as many zeros as the hash has bytes.
  constexpr SecretKey kNoSalt = {};
  if (salt.empty()) salt = kNoSalt;
  SecretKey key = {};
  size_t size = key.size();
  const KeyContextPtr context(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr));
  // All of it is of our own choosing: it cannot fail but for a lack of memory.
  SHOAL_CHECK(
      context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
      EVP_PKEY_CTX_set_hkdf_md(context.get(), EVP_sha256()) == 1 &&
      EVP_PKEY_CTX_set1_hkdf_salt(context.get(), salt.data(),
                                  static_cast<int>(salt.size())) == 1 &&
      EVP_PKEY_CTX_set1_hkdf_key(context.get(), secret.data(),
                                 static_cast<int>(secret.size())) == 1 &&
      EVP_PKEY_CTX_add1_hkdf_info(
          context.get(), reinterpret_cast<const unsigned char*>(purpose.data()),
          static_cast<int>(purpose.size())) == 1 &&
      EVP_PKEY_derive(context.get(), key.data(), &size) == 1 &&
      size == key.size());
  return key;
}

}  // namespace shoal::security

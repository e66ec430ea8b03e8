#include "security/key_derivation.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>

#include "absl/strings/escaping.h"

namespace shoal::security {
namespace {

std::string HexOf(const SecretKey& key) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(key.data()), key.size()));
}

// Computed from RFC 5869 with the HMAC of another library.
TEST(DeriveKeyTest, IsHkdfWithSha256) {
  SecretKey secret;
  std::iota(secret.begin(), secret.end(), 0);
  EXPECT_EQ(HexOf(DeriveKey(secret, {}, "first")),
            "ab38c1f2c20e389095eb35ed155b34a4778d0663def8b8d9177ff8ff2a635157");
  constexpr std::array<uint8_t, 2> kSalt = {1, 2};
  EXPECT_EQ(HexOf(DeriveKey(secret, kSalt, "second")),
            "d2a47a9f67c741ecbb60786bbced65d16383f4f3a1f5d509e814ec7fffed94d6");
}

TEST(DeriveKeyTest, PurposesAndSaltsAndSecretsGiveOtherKeys) {
  const SecretKey secret = {1};
  constexpr std::array<uint8_t, 1> kSalt = {7};
  const SecretKey key = DeriveKey(secret, {}, "a");
  EXPECT_NE(key, DeriveKey(secret, {}, "b"));
  EXPECT_NE(key, DeriveKey(secret, kSalt, "a"));
  EXPECT_NE(key, DeriveKey({2}, {}, "a"));
  EXPECT_EQ(key, DeriveKey(secret, {}, "a"));
}

}  // namespace
}  // namespace shoal::security

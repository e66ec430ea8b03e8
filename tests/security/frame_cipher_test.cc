#include "security/frame_cipher.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace shoal::security {
namespace {

using Direction = FrameCipher::Direction;

// What OpenSSL has allocated so far; it takes a hook before its first use
// alone.
std::atomic<size_t> allocation_count = 0;
const int hooked = CRYPTO_set_mem_functions(
    [](size_t size, const char*, int) {
      ++allocation_count;
      return malloc(size);
    },
    [](void* data, size_t size, const char*, int) {
      ++allocation_count;
      return realloc(data, size);
    },
    [](void* data, const char*, int) { free(data); });

std::vector<std::byte> BytesOf(absl::string_view text) {
  std::vector<std::byte> bytes;
  for (const char letter : text)
    bytes.push_back(static_cast<std::byte>(letter));
  return bytes;
}

std::string HexOf(std::span<const std::byte> bytes) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

class FrameCipherTest : public ::testing::TestWithParam<CipherSuite> {
 protected:
  std::vector<std::byte> Seal(uint64_t counter, absl::string_view clear,
                              absl::string_view head, absl::string_view tail) {
    std::vector<std::byte> out(head.size() + tail.size() +
                               FrameCipher::kTagBytes);
    sealer_.Seal(counter, BytesOf(clear), BytesOf(head), BytesOf(tail), out);
    return out;
  }
  bool Open(uint64_t counter, absl::string_view clear,
            std::vector<std::byte>& sealed) {
    return opener_.Open(counter, BytesOf(clear), sealed);
  }

  const SecretKey key_ = {1, 2, 3};
  FrameCipher sealer_{GetParam(), key_, Direction::kSeal};
  FrameCipher opener_{GetParam(), key_, Direction::kOpen};
};

TEST_P(FrameCipherTest, WhatWasSealedIsOpened) {
  for (const uint64_t counter : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 40}) {
    auto sealed = Seal(counter, "header", "head", "and tail");
    EXPECT_EQ(HexOf(sealed).find(HexOf(BytesOf("tail"))), std::string::npos);
    ASSERT_TRUE(Open(counter, "header", sealed));
    sealed.resize(sealed.size() - FrameCipher::kTagBytes);
    EXPECT_EQ(sealed, BytesOf("headand tail"));
  }
}

TEST_P(FrameCipherTest, TheBytesDoNotDependOnHowTheyWereHandedOver) {
  EXPECT_EQ(Seal(1, "c", "he", "llo"), Seal(1, "c", "hello", ""));
  EXPECT_NE(Seal(1, "c", "he", "llo"), Seal(2, "c", "he", "llo"));
}

TEST_P(FrameCipherTest, AnyFlippedBitIsNoticed) {
  const auto sealed = Seal(5, "header", "head", "tail");
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    auto damaged = sealed;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(Open(5, "header", damaged)) << bit;
  }
  auto again = sealed;
  EXPECT_FALSE(Open(6, "header", again));
  again = sealed;
  EXPECT_FALSE(Open(5, "headeR", again));
  for (size_t size = 0; size < sealed.size(); ++size) {
    auto cut = sealed;
    cut.resize(size);
    EXPECT_FALSE(Open(5, "header", cut)) << size;
  }
  again = sealed;
  EXPECT_TRUE(Open(5, "header", again));
}

TEST_P(FrameCipherTest, AnotherKeyOrSuiteOpensNothing) {
  const auto sealed = Seal(0, "", "head", "");
  auto copy = sealed;
  FrameCipher other(GetParam(), {1, 2, 4}, Direction::kOpen);
  EXPECT_FALSE(other.Open(0, {}, copy));
  copy = sealed;
  FrameCipher suite(GetParam() == CipherSuite::kAes256Gcm
                        ? CipherSuite::kChaCha20Poly1305
                        : CipherSuite::kAes256Gcm,
                    key_, Direction::kOpen);
  EXPECT_FALSE(suite.Open(0, {}, copy));
}

TEST_P(FrameCipherTest, NoMessageAfterTheFirstAllocates) {
  ASSERT_EQ(hooked, 1);
  const std::vector<std::byte> clear(64);
  const std::vector<std::byte> tail(5000);
  std::vector<std::byte> out(clear.size() + tail.size() +
                             FrameCipher::kTagBytes);
  size_t before = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    if (i == 1) before = allocation_count;
    sealer_.Seal(i, clear, clear, tail, out);
    ASSERT_TRUE(opener_.Open(i, clear, out));
  }
  EXPECT_GT(before, 0u);
  EXPECT_EQ(allocation_count, before);
}

INSTANTIATE_TEST_SUITE_P(Suites, FrameCipherTest,
                         ::testing::Values(CipherSuite::kAes256Gcm,
                                           CipherSuite::kChaCha20Poly1305));

// Test cases 13 and 14 of the paper that proposed GCM (McGrew and Viega): key
// and nonce are zero.
TEST(Aes256GcmTest, IsTheOneOfTheStandard) {
  FrameCipher cipher(CipherSuite::kAes256Gcm, {}, Direction::kSeal);
  std::vector<std::byte> out(16);
  cipher.Seal(0, {}, {}, {}, out);
  EXPECT_EQ(HexOf(out), "530f8afbc74536b9a963b4f1c4cb738b");
  out.resize(32);
  const std::vector<std::byte> zeros(16);
  cipher.Seal(0, {}, zeros, {}, out);
  EXPECT_EQ(HexOf(out),
            "cea7403d4d606b6e074ec5d3baf39d18"
            "d0d1c8a799996bf0265b98b5d48ab919");
}

}  // namespace
}  // namespace shoal::security

#include "security/frame_cipher.h"

#include <array>

#include "base/check.h"
#include "security/aes_hardware.h"
#include "security/openssl_types.h"

namespace shoal::security {
namespace {

constexpr size_t kNonceBytes = 12;

const EVP_CIPHER* CipherOf(CipherSuite suite) {
  return suite == CipherSuite::kAes256Gcm ? EVP_aes_256_gcm()
                                          : EVP_chacha20_poly1305();
}

const unsigned char* In(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* Out(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

struct FrameCipher::Context {
  CipherPtr cipher;

  // Into `out`; null: `bytes` are authenticated alone.
  void Update(unsigned char* out, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    int count = 0;
    SHOAL_CHECK(EVP_CipherUpdate(cipher.get(), out, &count, In(bytes),
                                 static_cast<int>(bytes.size())) == 1);
  }
};

CipherSuite PreferredSuite() {
  return HasAesHardware() ? CipherSuite::kAes256Gcm
                          : CipherSuite::kChaCha20Poly1305;
}

FrameCipher::FrameCipher(CipherSuite suite, const SecretKey& key,
                         Direction direction)
    : context_(std::make_unique<Context>()) {
  context_->cipher.reset(EVP_CIPHER_CTX_new());
  const int sealing = direction == Direction::kSeal ? 1 : 0;
  SHOAL_CHECK(context_->cipher != nullptr &&
              EVP_CipherInit_ex(context_->cipher.get(), CipherOf(suite),
                                nullptr, key.data(), nullptr, sealing) == 1);
}

FrameCipher::~FrameCipher() = default;
FrameCipher::FrameCipher(FrameCipher&&) noexcept = default;
FrameCipher& FrameCipher::operator=(FrameCipher&&) noexcept = default;

void FrameCipher::SetCounter(uint64_t counter) {
  std::array<unsigned char, kNonceBytes> nonce = {};
  for (size_t i = 0; i < sizeof(counter); ++i) {
    nonce[kNonceBytes - sizeof(counter) + i] =
        static_cast<unsigned char>(counter >> (8 * i));
  }
  // Key and cipher stay.
  SHOAL_CHECK(EVP_CipherInit_ex(context_->cipher.get(), nullptr, nullptr,
                                nullptr, nonce.data(), -1) == 1);
}

void FrameCipher::Seal(uint64_t counter, std::span<const std::byte> clear,
                       std::span<const std::byte> head,
                       std::span<const std::byte> tail,
                       std::span<std::byte> out) {
  SHOAL_CHECK(out.size() == head.size() + tail.size() + kTagBytes);
  SetCounter(counter);
  context_->Update(nullptr, clear);
  context_->Update(Out(out), head);
  context_->Update(Out(out.subspan(head.size())), tail);
  const auto tag = out.last(kTagBytes);
  int count = 0;
  SHOAL_CHECK(EVP_CipherFinal_ex(context_->cipher.get(), Out(tag), &count) ==
                  1 &&
              EVP_CIPHER_CTX_ctrl(context_->cipher.get(), EVP_CTRL_AEAD_GET_TAG,
                                  kTagBytes, tag.data()) == 1);
}

bool FrameCipher::Open(uint64_t counter, std::span<const std::byte> clear,
                       std::span<std::byte> sealed) {
  if (sealed.size() < kTagBytes) return false;
  SetCounter(counter);
  context_->Update(nullptr, clear);
  const auto body = sealed.first(sealed.size() - kTagBytes);
  context_->Update(Out(body), body);
  const auto tag = sealed.last(kTagBytes);
  int count = 0;
  return EVP_CIPHER_CTX_ctrl(context_->cipher.get(), EVP_CTRL_AEAD_SET_TAG,
                             kTagBytes, tag.data()) == 1 &&
         EVP_CipherFinal_ex(context_->cipher.get(), Out(tag), &count) == 1;
}

}  // namespace shoal::security

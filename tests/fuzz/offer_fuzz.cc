// Reads any bytes as both datagrams of discovery; what is one comes back as the
// same bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/check.h"
#include "discovery/offer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using shoal::discovery::Answer;
  using shoal::discovery::Nonce;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto is_same = [bytes](std::span<const std::byte> again) {
    return std::ranges::equal(bytes, again);
  };
  const std::optional<Nonce> question = shoal::discovery::ParseQuestion(bytes);
  if (question) {
    SHOAL_CHECK(is_same(shoal::discovery::EncodeQuestion(*question)));
  }
  const std::optional<Answer> answer = shoal::discovery::ParseAnswer(bytes);
  if (answer) SHOAL_CHECK(is_same(shoal::discovery::EncodeAnswer(*answer)));
  return 0;
}

// Decodes any bytes as a pass descriptor; what decodes keeps the limits and
// survives a round trip.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/check.h"
#include "parallel/pass.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using shoal::parallel::DecodePass;
  constexpr uint32_t kTokensMax = 512;
  constexpr uint32_t kPositionsMax = 4096;
  const absl::StatusOr<shoal::parallel::Pass> pass = DecodePass(
      std::as_bytes(std::span(data, size)), kTokensMax, kPositionsMax);
  if (!pass.ok()) return 0;
  SHOAL_CHECK(pass->token_count() <= kTokensMax);
  for (const shoal::parallel::PassRow& row : pass->rows) {
    SHOAL_CHECK(uint64_t{row.first_position} + row.token_count <=
                kPositionsMax);
    SHOAL_CHECK(row.logits_count <= row.token_count);
  }
  const std::vector<std::byte> again = shoal::parallel::EncodePass(*pass);
  SHOAL_CHECK(DecodePass(again, kTokensMax, kPositionsMax).ok());
  return 0;
}

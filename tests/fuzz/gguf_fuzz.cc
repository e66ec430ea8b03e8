// Parses any bytes as a GGUF header; what parses must survive a round trip.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/check.h"
#include "model/gguf.h"

namespace {

using shoal::model::GgufHeader;

void FuzzGguf(std::span<const std::byte> bytes) {
  // The header claims tensor data that need not be there.
  constexpr uint64_t kFileSize = uint64_t{1} << 40;
  absl::StatusOr<GgufHeader> header =
      GgufHeader::Parse(bytes, kFileSize, "fuzz");
  if (!header.ok()) {
    SHOAL_CHECK(!header.status().message().empty());
    return;
  }
  const std::string again = header->Serialize("tokenizer.");
  absl::StatusOr<GgufHeader> second = GgufHeader::Parse(
      std::as_bytes(std::span(again)), kFileSize, "fuzz, again");
  SHOAL_CHECK(second.ok(), second.status().ToString());
  SHOAL_CHECK(second->tensors().size() == header->tensors().size());
  SHOAL_CHECK(second->Serialize("tokenizer.") == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzGguf(std::as_bytes(std::span(data, size)));
  return 0;
}

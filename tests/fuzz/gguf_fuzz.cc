// Fuzz target: the GGUF reader, and the round trip through Serialize().

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/check.h"
#include "model/gguf.h"

namespace {

using shoal::model::GgufHeader;
using shoal::model::GgufTensor;

absl::StatusOr<GgufHeader> Parse(std::span<const std::byte> bytes,
                                 uint64_t file_size) {
  absl::StatusOr<GgufHeader> header =
      GgufHeader::Parse(bytes, file_size, "fuzz");
  if (header.ok()) return header;
  SHOAL_CHECK(absl::IsInvalidArgument(header.status()) ||
                  absl::IsUnimplemented(header.status()) ||
                  absl::IsOutOfRange(header.status()),
              header.status().ToString());
  return header;
}

void CheckRoundTrip(const GgufHeader& header, const std::string& prefix) {
  const std::string bytes = header.Serialize(prefix);
  SHOAL_CHECK(header.tensors().empty() || bytes.size() <= header.data_offset());
  const auto back = Parse(std::as_bytes(std::span(bytes)), header.file_size());
  SHOAL_CHECK(back.ok(), back.status().ToString());
  // By bytes, because a not-a-number does not equal itself.
  SHOAL_CHECK(back->Serialize(prefix) == bytes);
  SHOAL_CHECK(back->tensors().size() == header.tensors().size());
  for (const GgufTensor& tensor : header.tensors()) {
    const GgufTensor* found = back->FindTensor(tensor.name);
    SHOAL_CHECK(found != nullptr, tensor.name);
    SHOAL_CHECK(found->offset == tensor.offset && found->type == tensor.type &&
                    found->bytes == tensor.bytes && found->dims == tensor.dims,
                tensor.name);
    SHOAL_CHECK(tensor.offset + tensor.bytes <= header.file_size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  // As the whole file, and as the beginning of a long one, where tensors may
  // have any size and the reader must ask for more bytes, never read them.
  for (const uint64_t file_size : {uint64_t{size}, uint64_t{1} << 40}) {
    const auto header = Parse(bytes, file_size);
    if (!header.ok()) continue;
    CheckRoundTrip(*header, "");
    CheckRoundTrip(*header, "tokenizer.");
    CheckRoundTrip(*header, "general.");
  }
  return 0;
}

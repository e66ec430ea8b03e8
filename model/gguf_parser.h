// Turns the bytes of a GGUF header into a GgufHeader.

#ifndef SHOAL_MODEL_GGUF_PARSER_H_
#define SHOAL_MODEL_GGUF_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/gguf.h"
#include "model/gguf_cursor.h"

namespace shoal::model {

// The work of GgufHeader::Parse(), whose contract holds here. One object
// parses one header.
class GgufParser {
 public:
  // REQUIRES: bytes.size() <= file_size.
  GgufParser(std::span<const std::byte> bytes, uint64_t file_size,
             absl::string_view source);

  // A part of a split model is refused unless `is_part`.
  absl::StatusOr<GgufHeader> Run(bool is_part = false);

 private:
  // Each reads from where the one before it stopped.
  absl::Status ReadMagicAndVersion();
  absl::Status ReadMetadata(uint64_t count);
  absl::Status ReadTensors(uint64_t count);

  absl::Status CheckVersion(uint64_t at, uint32_t version) const;
  absl::Status CheckNotSplit() const;
  absl::Status ReadExternal(bool is_part);
  absl::Status ReadAlignment(uint64_t at, const GgufValue& value);
  absl::StatusOr<GgufTensor> ReadTensor();
  absl::Status ReadDims(GgufTensor& tensor);
  absl::Status ReadType(GgufTensor& tensor);
  absl::Status SetSize(uint64_t at, GgufTensor& tensor) const;

  // Checks which tensors are in the file, and sets what file_size() shall be.
  absl::Status PlaceExternal();
  // Makes offsets absolute and checks that every tensor lies in the file and
  // that no two of them share a byte.
  absl::Status PlaceTensors();

  GgufCursor cursor_;
  GgufHeader header_;
  uint64_t alignment_;
  const uint64_t bytes_present_;     // of the file
  std::vector<uint64_t> offset_at_;  // where each tensor's offset is written
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_PARSER_H_

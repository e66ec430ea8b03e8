// Writes a GGUF file (version 3) whose tensors are made while it is written.

#ifndef SHOAL_MODEL_GGUF_WRITER_H_
#define SHOAL_MODEL_GGUF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "model/gguf.h"

namespace shoal::model {

inline constexpr uint64_t kGgufWriteChunkBytesMax = uint64_t{4} << 20;

// Fills `chunk` with the bytes of `tensor` from `offset_bytes` on (from the
// tensor's own start; chunk.size() and offset_bytes are whole blocks). Called
// for all bytes of all tensors in order. An error ends the writing.
using GgufTensorFill = absl::FunctionRef<absl::Status(
    const GgufTensor& tensor, uint64_t offset_bytes,
    std::span<std::byte> chunk)>;

// Writes beside `path`, syncs and renames, so that `path` has its old content
// or the whole new one. `bytes` and `offset` of the tensors are ignored.
//
// Memory: the header, one chunk of kGgufWriteChunkBytesMax, and the buffers of
//         StreamFile.
// REQUIRES: the dims of every tensor are positive and its first a whole number
//           of blocks; names are unique; general.alignment, if there, is valid.
// Errors: kNotFound, kPermissionDenied  the folder is missing or closed
//         kResourceExhausted            the disk is full
//         kUnavailable, ...             other errors of the disk
//         whatever `fill` returns
absl::Status WriteGgufFile(const std::string& path,
                           const GgufMetadata& metadata,
                           std::vector<GgufTensor> tensors,
                           GgufTensorFill fill);

// Gives the tensors their bytes and offsets, from the start of the data;
// returns the data's end. REQUIRES: as WriteGgufFile().
uint64_t LayOutTensors(const GgufMetadata& metadata,
                       std::vector<GgufTensor>& tensors);

// As WriteGgufFile(), but the file ends after the first `inline_count` tensors,
// and `fill` is not called for the others.
// REQUIRES: `metadata` marks the file as external (gguf_external.h).
absl::Status WriteExternalGgufFile(const std::string& path,
                                   const GgufMetadata& metadata,
                                   std::vector<GgufTensor> tensors,
                                   size_t inline_count, GgufTensorFill fill);

}  // namespace shoal::model

#endif  // SHOAL_MODEL_GGUF_WRITER_H_

#include "model/gguf_writer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/byte_size.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/gguf_encode.h"
#include "model/stream_file.h"

namespace shoal::model {
namespace {

absl::Status AppendTensor(const GgufTensor& tensor, uint64_t padded_bytes,
                          std::span<std::byte> buffer, GgufTensorFill fill,
                          StreamFile& file) {
  const uint64_t block_bytes = kernels::InfoOf(tensor.type).block_bytes;
  const uint64_t chunk_bytes = buffer.size() / block_bytes * block_bytes;
  for (uint64_t done = 0; done < tensor.bytes;) {
    const auto chunk = buffer.first(std::min(chunk_bytes, tensor.bytes - done));
    SHOAL_RETURN_IF_ERROR(fill(tensor, done, chunk));
    SHOAL_RETURN_IF_ERROR(file.Append(chunk));
    done += chunk.size();
  }
  const auto padding = buffer.first(padded_bytes - tensor.bytes);
  std::ranges::fill(padding, std::byte{0});
  return file.Append(padding);
}

}  // namespace

absl::Status WriteGgufFile(const std::string& path,
                           const GgufMetadata& metadata,
                           std::vector<GgufTensor> tensors,
                           GgufTensorFill fill) {
  const size_t count = tensors.size();
  return WriteExternalGgufFile(path, metadata, std::move(tensors), count, fill);
}

uint64_t LayOutTensors(const GgufMetadata& metadata,
                       std::vector<GgufTensor>& tensors) {
  const uint64_t alignment = AlignmentOf(metadata);
  SHOAL_CHECK(alignment >= kGgufAlignmentMin && alignment <= kGgufAlignmentMax);
  uint64_t end = 0;
  for (GgufTensor& tensor : tensors) {
    SHOAL_CHECK(!tensor.dims.empty() && tensor.cols() > 0, tensor.name);
    SHOAL_CHECK(
        tensor.cols() % kernels::InfoOf(tensor.type).block_elements == 0,
        tensor.name);
    tensor.offset = base::AlignUp(end, alignment);
    tensor.bytes = kernels::BytesOf(tensor.type, tensor.cols() * tensor.rows());
    end = tensor.offset + tensor.bytes;
  }
  return end;
}

absl::Status WriteExternalGgufFile(const std::string& path,
                                   const GgufMetadata& metadata,
                                   std::vector<GgufTensor> tensors,
                                   size_t inline_count, GgufTensorFill fill) {
  static_assert(kGgufAlignmentMax <= kGgufWriteChunkBytesMax);
  SHOAL_CHECK(inline_count <= tensors.size());
  uint64_t data_bytes = LayOutTensors(metadata, tensors);
  if (inline_count < tensors.size()) {
    data_bytes = inline_count == 0 ? 0
                                   : tensors[inline_count - 1].offset +
                                         tensors[inline_count - 1].bytes;
  }
  const std::string header =
      EncodeGgufHeader({.metadata = &metadata, .tensors = tensors});

  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<StreamFile> file,
                         StreamFile::Create(path, header.size() + data_bytes));
  SHOAL_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(header))));
  const auto buffer =
      std::make_unique_for_overwrite<std::byte[]>(kGgufWriteChunkBytesMax);
  for (size_t i = 0; i < inline_count; ++i) {
    const uint64_t next_offset =
        i + 1 < inline_count ? tensors[i + 1].offset : data_bytes;
    SHOAL_RETURN_IF_ERROR(AppendTensor(
        tensors[i], next_offset - tensors[i].offset,
        std::span(buffer.get(), kGgufWriteChunkBytesMax), fill, *file));
  }
  return file->Finish();
}

}  // namespace shoal::model

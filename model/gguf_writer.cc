#include "model/gguf_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/byte_size.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "model/gguf_encode.h"

namespace shoal::model {
namespace {

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": ", what, " failed"));
}

// A file under a temporary name; gone with the object unless renamed.
class PendingFile {
 public:
  explicit PendingFile(const std::string& path)
      : path_(path), pending_path_(absl::StrCat(path, ".partial-", getpid())) {}
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (fd_ < 0) return;
    close(fd_);
    unlink(pending_path_.c_str());
  }

  // Reserves the space where the file system can, so that a full disk is known
  // before the work.
  absl::Status Open(uint64_t bytes) {
    unlink(pending_path_.c_str());  // of a process with our id that died
    fd_ = open(pending_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
               0666);
    if (fd_ < 0) return Failed("creating the file", pending_path_);
    if (bytes > 0 && fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0 &&
        (errno == ENOSPC || errno == EFBIG)) {
      return Failed(absl::StrCat("reserving ", base::FormatByteSize(bytes)),
                    pending_path_);
    }
    return absl::OkStatus();
  }

  absl::Status Append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed("writing", pending_path_);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status SyncAndRename() {
    if (fsync(fd_) != 0) return Failed("fsync", pending_path_);
    if (rename(pending_path_.c_str(), path_.c_str()) != 0)
      return Failed("renaming the finished file", path_);
    close(fd_);
    fd_ = -1;
    return SyncFolder();
  }

 private:
  // Else a power cut may undo the rename.
  absl::Status SyncFolder() const {
    const std::string folder =
        std::filesystem::absolute(path_).parent_path().string();
    const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return Failed("opening the folder", folder);
    const int result = fsync(fd);
    // Some file systems do not sync folders, and say so.
    const bool failed = result != 0 && errno != EINVAL;
    const absl::Status status =
        failed ? Failed("fsync", folder) : absl::OkStatus();
    close(fd);
    return status;
  }

  std::string path_;
  std::string pending_path_;
  int fd_ = -1;
};

// Sets offsets (from the start of the data) and sizes; returns the data's end.
uint64_t LayOut(uint64_t alignment, std::vector<GgufTensor>& tensors) {
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

absl::Status AppendTensor(const GgufTensor& tensor, uint64_t padded_bytes,
                          std::span<std::byte> buffer, GgufTensorFill fill,
                          PendingFile& file) {
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
  const uint64_t alignment = AlignmentOf(metadata);
  static_assert(kGgufAlignmentMax <= kGgufWriteChunkBytesMax);
  SHOAL_CHECK(alignment >= kGgufAlignmentMin && alignment <= kGgufAlignmentMax);
  const uint64_t data_bytes = LayOut(alignment, tensors);
  const std::string header =
      EncodeGgufHeader({.metadata = &metadata, .tensors = tensors});

  PendingFile file(path);
  SHOAL_RETURN_IF_ERROR(file.Open(header.size() + data_bytes));
  SHOAL_RETURN_IF_ERROR(file.Append(std::as_bytes(std::span(header))));
  const auto buffer =
      std::make_unique_for_overwrite<std::byte[]>(kGgufWriteChunkBytesMax);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const uint64_t next_offset =
        i + 1 < tensors.size() ? tensors[i + 1].offset : data_bytes;
    SHOAL_RETURN_IF_ERROR(AppendTensor(
        tensors[i], next_offset - tensors[i].offset,
        std::span(buffer.get(), kGgufWriteChunkBytesMax), fill, file));
  }
  return file.SyncAndRename();
}

}  // namespace shoal::model

// GgufHeader::ReadFile: as much of a file as its header takes.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/gguf.h"
#include "model/gguf_format.h"
#include "model/gguf_parser.h"
#include "model/gguf_parts.h"

namespace shoal::model {
namespace {

// Enough for a small vocabulary; each further attempt reads twice as much.
constexpr uint64_t kFirstReadBytes = uint64_t{256} << 10;

absl::Status ReadFully(int fd, std::span<std::byte> to,
                       const std::string& path) {
  size_t done = 0;
  while (done < to.size()) {
    const ssize_t got =
        pread(fd, to.data() + done, to.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::UnavailableError(
          absl::StrCat(path, ": reading at byte ", done,
                       " failed: ", absl::ErrnoToStatus(errno, "").ToString()));
    }
    if (got == 0) {
      return absl::UnavailableError(absl::StrCat(
          path, ": the file became shorter while it was read, at byte ", done));
    }
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<GgufHeader> ReadOne(const std::string& path, bool is_part) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat(path, ": the model file cannot be opened"));
  }
  const auto closer = absl::MakeCleanup([fd] { close(fd); });
  struct stat info;
  if (fstat(fd, &info) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": no file size"));
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a regular file; give a .gguf file"));
  }

  const auto file_size = static_cast<uint64_t>(info.st_size);
  const uint64_t bytes_max = std::min(file_size, kGgufHeaderBytesMax);
  uint64_t bytes = std::min(bytes_max, kFirstReadBytes);
  while (true) {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(bytes);
    const std::span<std::byte> read(buffer.get(), bytes);
    SHOAL_RETURN_IF_ERROR(ReadFully(fd, read, path));
    absl::StatusOr<GgufHeader> header =
        GgufParser(read, file_size, path).Run(is_part);
    if (!absl::IsOutOfRange(header.status())) return header;
    if (bytes == bytes_max) {
      return absl::InvalidArgumentError(
          absl::StrCat(header.status().message(), "; a header may have ",
                       kGgufHeaderBytesMax, " bytes"));
    }
    bytes = std::min(bytes_max, 2 * bytes);
  }
}

}  // namespace

absl::StatusOr<GgufHeader> GgufHeader::ReadFile(const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<GgufPart> parts,
                         FindGgufParts(path));
  if (parts.size() == 1) return ReadOne(path, /*is_part=*/false);
  std::vector<GgufHeader> headers;
  for (const GgufPart& part : parts) {
    SHOAL_ASSIGN_OR_RETURN(GgufHeader header,
                           ReadOne(part.path, /*is_part=*/true));
    headers.push_back(std::move(header));
  }
  return MergeGgufParts(parts, headers);
}

}  // namespace shoal::model

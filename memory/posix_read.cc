#include "memory/posix_read.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "memory/block_file.h"

namespace shoal::memory {

absl::Status DiskError(int error, absl::string_view action,
                       absl::string_view path) {
  const std::string message =
      absl::StrCat("cannot ", action, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::Status PreadFully(int fd, absl::string_view path, uint64_t alignment,
                        uint64_t offset, std::span<std::byte> to) {
  return ReadFully(
      path, alignment, offset, to,
      [fd, path](uint64_t at,
                 std::span<std::byte> part) -> absl::StatusOr<uint64_t> {
        while (true) {
          const ssize_t count =
              pread(fd, part.data(), part.size(), static_cast<off_t>(at));
          if (count >= 0) return static_cast<uint64_t>(count);
          if (errno == EINTR) continue;
          return DiskError(
              errno,
              absl::StrCat("read ", part.size(), " bytes at ", at, " of"),
              path);
        }
      });
}

void CheckAligned(absl::string_view path, uint64_t alignment, uint64_t offset,
                  std::span<const std::byte> to) {
  SHOAL_CHECK(offset % alignment == 0 && to.size() % alignment == 0 &&
                  reinterpret_cast<uintptr_t>(to.data()) % alignment == 0,
              path, " offset ", offset, " size ", to.size());
}

}  // namespace shoal::memory

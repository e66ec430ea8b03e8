// Reading a file descriptor whole, with the words for what went wrong.

#ifndef SHOAL_MEMORY_POSIX_READ_H_
#define SHOAL_MEMORY_POSIX_READ_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace shoal::memory {

// "cannot `action` `path`: ..." with the code of an errno: kResourceExhausted
// for a full disk, kNotFound, else kUnavailable.
absl::Status DiskError(int error, absl::string_view action,
                       absl::string_view path);

// Fills `to` with pread(), however short its reads are, starting each at a
// multiple of `alignment`.
// Errors: as BlockFile::ReadAt()
absl::Status PreadFully(int fd, absl::string_view path, uint64_t alignment,
                        uint64_t offset, std::span<std::byte> to);

// What BlockFile::ReadAt() requires; ends the program otherwise.
void CheckAligned(absl::string_view path, uint64_t alignment, uint64_t offset,
                  std::span<const std::byte> to);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_POSIX_READ_H_

// Reads a file through io_uring: the parts of a request are in flight together.

#ifndef SHOAL_MEMORY_URING_FILE_H_
#define SHOAL_MEMORY_URING_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "memory/block_file.h"

namespace shoal::memory {

// A request is cut into parts of kUringPartBytes, at most
// kUringDepth of them in flight at once.
inline constexpr uint64_t kUringPartBytes = uint64_t{512} << 10;
inline constexpr uint32_t kUringDepth = 8;
// Callers of ReadAt() that have a ring at once; more wait for one.
inline constexpr uint32_t kUringCallersMax = 8;

// Takes `fd`, open for reading, and closes it in the end; on an error, too.
// `direct`: whether it was opened with O_DIRECT.
//
// Memory:  a few KiB for each caller of ReadAt() at once, most of it the
//          kernel's.
// Threads: thread-safe; owns none. Each caller has a ring of its own while it
//          reads, so that no caller waits for another's request.
// Errors:  kUnimplemented  this program or this system has no io_uring, or does
//                          not let us use it
absl::StatusOr<std::unique_ptr<BlockFile>> OpenUring(int fd, std::string path,
                                                     bool direct);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_URING_FILE_H_

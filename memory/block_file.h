// Positional reads of one large file, by whatever engine the system allows.

#ifndef SHOAL_MEMORY_BLOCK_FILE_H_
#define SHOAL_MEMORY_BLOCK_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::memory {

// Offsets, sizes and addresses that are multiples of this suit every engine.
// A unit starts on such an offset and its place is a multiple of it long.
inline constexpr uint64_t kStoreAlignment = 4096;

// A file open for reading. An engine (io_uring, pread, mmap) is one
// implementation.
//
// Threads: thread-safe. Several ReadAt() at once are several requests in
//          flight; an engine may cut each into more.
class BlockFile {
 public:
  virtual ~BlockFile() = default;

  // Fills `to` with the bytes from `offset` on; blocks until they are there.
  // REQUIRES: offset, the address and the size of `to` are multiples of
  //           alignment().
  // Errors, after which `to` is unspecified; messages name file and offset:
  //   kUnavailable  the disk failed (EIO and the like)
  //   kOutOfRange   the file ends before offset + to.size()
  virtual absl::Status ReadAt(uint64_t offset, std::span<std::byte> to) = 0;

  // Announces memory that many reads will go to, until Unregister(), before
  // which it must not go away. Waits for the reads under way. Only a hint: some
  // engines keep its pages at hand, as far as the system lets them.
  virtual void Register(std::span<std::byte> /*memory*/) {}
  virtual void Unregister(std::span<std::byte> /*memory*/) {}

  virtual uint64_t alignment() const = 0;  // a power of two
  // For people: how the file is read, such as "io_uring" or "direct".
  virtual absl::string_view engine() const = 0;
  virtual absl::string_view path() const = 0;
};

// Calls `read_some` until `to` is full: a read may give fewer bytes than were
// asked for, and a direct read must go on at a multiple of `alignment`.
// `read_some` returns the count of bytes read, 0 at the end of the file.
// Errors: those of `read_some`; kOutOfRange  the file `path` ends too early
absl::Status ReadFully(absl::string_view path, uint64_t alignment,
                       uint64_t offset, std::span<std::byte> to,
                       absl::FunctionRef<absl::StatusOr<uint64_t>(
                           uint64_t offset, std::span<std::byte> to)>
                           read_some);

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_BLOCK_FILE_H_

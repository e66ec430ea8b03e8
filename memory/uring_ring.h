// One ring of io_uring, used by one thread at a time.

#ifndef SHOAL_MEMORY_URING_RING_H_
#define SHOAL_MEMORY_URING_RING_H_

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal::memory {

// Threads: thread-compatible; another thread may go on with it when no request
//          is in flight.
class UringRing {
 public:
  // A read of `bytes` to `to`. `result` is the count of bytes read, or -errno.
  struct Part {
    uint64_t offset = 0;
    std::span<std::byte> to;
    int result = 0;
  };

  // Errors: kUnimplemented  the system refuses; says why
  static absl::StatusOr<std::unique_ptr<UringRing>> Create(uint32_t depth);
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  // Tells the kernel of memory that reads go to, in place of what it was told
  // before, so that it need not look the pages up for each. Returns whether it
  // agreed; reads work either way.
  bool Register(std::span<const std::span<std::byte>> buffers);

  // Reads all parts at once and returns when none is in flight any more.
  // Returns false if the ring must not be used again: then parts that it did
  // not read have the result -ECANCELED.
  // REQUIRES: parts.size() <= depth.
  bool Read(int fd, std::span<Part> parts);

 private:
  UringRing() = default;
  void Prepare(int fd, Part& part);
  uint32_t Reap();

  io_uring ring_ = {};
  std::vector<std::span<std::byte>> buffers_;  // what the kernel was told of
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_URING_RING_H_

#include "memory/slab.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/byte_size.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kHugePagesFrom = 4 * base::kMiB;

}  // namespace

absl::StatusOr<Slab> Slab::Create(uint64_t bytes) {
  if (bytes == 0) return Slab();
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot get ", base::FormatByteSize(bytes),
                     " of memory from the system: ", std::strerror(errno)));
  }
  // Weights are read once a pass, far beyond the reach of the TLB. Only a
  // hint: where the system has no huge pages, nothing changes.
  if (bytes >= kHugePagesFrom) madvise(data, bytes, MADV_HUGEPAGE);
  return Slab(static_cast<std::byte*>(data), bytes);
}

Slab::~Slab() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

Slab::Slab(Slab&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Slab& Slab::operator=(Slab&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace shoal::memory

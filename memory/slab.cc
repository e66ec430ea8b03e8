#include "memory/slab.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/byte_size.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kHugePagesFrom = 4 * base::kMiB;
constexpr uint64_t kHugePageBytes = 2 * base::kMiB;  // of most systems

std::byte* Map(uint64_t bytes) {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

// Starts on a huge page; otherwise the first one or two of them would be small
// ones.
std::byte* MapHuge(uint64_t bytes) {
  const uint64_t kept_bytes =
      base::AlignUp(bytes, static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  std::byte* const data = Map(kept_bytes + kHugePageBytes);
  if (data == nullptr) return nullptr;
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uint64_t before = base::AlignUp(address, kHugePageBytes) - address;
  if (before > 0) munmap(data, before);
  munmap(data + before + kept_bytes, kHugePageBytes - before);
  // Only a hint: where the system has no huge pages, nothing changes.
  madvise(data + before, kept_bytes, MADV_HUGEPAGE);
  return data + before;
}

}  // namespace

absl::StatusOr<Slab> Slab::Create(uint64_t bytes) {
  if (bytes == 0) return Slab();
  // Weights are read once a pass, far beyond the reach of the TLB, and a disk
  // takes a request in fewer pieces: some are read twice as fast.
  std::byte* const data = bytes >= kHugePagesFrom ? MapHuge(bytes) : Map(bytes);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot get ", base::FormatByteSize(bytes),
                     " of memory from the system: ", std::strerror(errno)));
  }
  return Slab(data, bytes);
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

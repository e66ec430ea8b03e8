#include "memory/slab.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "base/check.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kHugePagesFrom = 4 * base::kMiB;
constexpr uint64_t kHugePageBytes = 2 * base::kMiB;  // of most systems

uint64_t SystemPageBytes() {
  return static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// `flags`: MAP_NORESERVE for room that may stay unused, which the system then
// does not count as promised.
std::byte* Map(uint64_t bytes, int flags) {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

// Starts on a huge page; otherwise the first one or two of them would be small
// ones.
std::byte* MapAligned(uint64_t bytes, int flags) {
  const uint64_t kept_bytes = base::AlignUp(bytes, SystemPageBytes());
  std::byte* const data = Map(kept_bytes + kHugePageBytes, flags);
  if (data == nullptr) return nullptr;
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uint64_t before = base::AlignUp(address, kHugePageBytes) - address;
  if (before > 0) munmap(data, before);
  munmap(data + before + kept_bytes, kHugePageBytes - before);
  return data + before;
}

// Only hints: where the system has no huge pages, nothing changes. A huge page
// that the used part fills in part only would take memory beyond it.
void AdviseHugePages(std::byte* data, uint64_t bytes, uint64_t bytes_max) {
  const uint64_t whole = bytes / kHugePageBytes * kHugePageBytes;
  if (whole > 0) madvise(data, whole, MADV_HUGEPAGE);
  const uint64_t rest = base::AlignUp(bytes_max, SystemPageBytes()) - whole;
  if (rest > 0) madvise(data + whole, rest, MADV_NOHUGEPAGE);
}

}  // namespace

absl::StatusOr<Slab> Slab::Create(uint64_t bytes) {
  return Create(bytes, bytes);
}

absl::StatusOr<Slab> Slab::Create(uint64_t bytes, uint64_t bytes_max) {
  SHOAL_CHECK(bytes <= bytes_max, bytes, " of ", bytes_max);
  if (bytes_max == 0) return Slab();
  // Weights are read once a pass, far beyond the reach of the TLB, and a disk
  // takes a request in fewer pieces: some are read twice as fast.
  const bool huge = bytes_max >= kHugePagesFrom;
  const int flags = bytes < bytes_max ? MAP_NORESERVE : 0;
  std::byte* const data =
      huge ? MapAligned(bytes_max, flags) : Map(bytes_max, flags);
  if (data == nullptr) {
    if (bytes < bytes_max) return Create(bytes, bytes);
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot get ", base::FormatByteSize(bytes),
                     " of memory from the system: ", std::strerror(errno)));
  }
  if (huge) AdviseHugePages(data, bytes, bytes_max);
  return Slab(data, bytes, bytes_max);
}

void Slab::Resize(uint64_t bytes) {
  SHOAL_CHECK(bytes <= bytes_max_, bytes, " of ", bytes_max_);
  if (bytes_max_ >= kHugePagesFrom) AdviseHugePages(data_, bytes, bytes_max_);
  const uint64_t used = base::AlignUp(bytes, SystemPageBytes());
  const uint64_t used_before = base::AlignUp(bytes_, SystemPageBytes());
  if (used < used_before) {
    madvise(data_ + used, used_before - used, MADV_DONTNEED);
  }
  bytes_ = bytes;
}

Slab::~Slab() {
  if (data_ != nullptr) munmap(data_, bytes_max_);
}

Slab::Slab(Slab&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      bytes_max_(std::exchange(other.bytes_max_, 0)) {}

Slab& Slab::operator=(Slab&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(bytes_max_, other.bytes_max_);
  return *this;
}

}  // namespace shoal::memory

// One run of memory straight from the system, page-aligned, zero-filled.

#ifndef SHOAL_MEMORY_SLAB_H_
#define SHOAL_MEMORY_SLAB_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace shoal::memory {

// Owns a private anonymous mapping. A page costs memory from its first use on;
// all of it goes back to the system with the slab.
class Slab {
 public:
  Slab() = default;  // of 0 bytes

  // Errors: kResourceExhausted  the system refuses
  static absl::StatusOr<Slab> Create(uint64_t bytes);
  // Of `bytes` that Resize() can make up to `bytes_max` without moving them;
  // where the system does not give that much room, bytes_max is `bytes`.
  // REQUIRES: bytes <= bytes_max.
  static absl::StatusOr<Slab> Create(uint64_t bytes, uint64_t bytes_max);

  ~Slab();
  Slab(Slab&& other) noexcept;
  Slab& operator=(Slab&& other) noexcept;

  // What is beyond the new size goes back to the system; what is new is
  // unspecified.
  // REQUIRES: bytes <= size_max().
  void Resize(uint64_t bytes);

  std::byte* data() const { return data_; }
  uint64_t size() const { return bytes_; }
  uint64_t size_max() const { return bytes_max_; }
  std::span<std::byte> span() const { return {data_, bytes_}; }

 private:
  Slab(std::byte* data, uint64_t bytes, uint64_t bytes_max)
      : data_(data), bytes_(bytes), bytes_max_(bytes_max) {}

  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t bytes_max_ = 0;  // of the mapping
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_SLAB_H_

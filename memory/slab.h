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

  ~Slab();
  Slab(Slab&& other) noexcept;
  Slab& operator=(Slab&& other) noexcept;

  std::byte* data() const { return data_; }
  uint64_t size() const { return bytes_; }
  std::span<std::byte> span() const { return {data_, bytes_}; }

 private:
  Slab(std::byte* data, uint64_t bytes) : data_(data), bytes_(bytes) {}

  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_SLAB_H_

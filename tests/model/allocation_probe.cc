#include "tests/model/allocation_probe.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<size_t> largest_bytes = 0;
}  // namespace

void* operator new(size_t bytes) {
  if (bytes > largest_bytes) largest_bytes = bytes;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

// By default these call the above, but not under the address sanitizer.
void* operator new[](size_t bytes) { return operator new(bytes); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace shoal::model::testing {

size_t LargestAllocationBytes() { return largest_bytes; }
void ResetLargestAllocation() { largest_bytes = 0; }

}  // namespace shoal::model::testing

#include "memory/window_ring.h"

#include <algorithm>

#include "base/check.h"

namespace shoal::memory {

uint64_t WindowRing::Room(uint64_t bytes_min) const {
  if (empty_) return bytes_min <= capacity_ ? capacity_ : 0;
  if (head_ <= tail_) {
    // Used bytes wrap (or fill the ring): one gap, between head and tail.
    const uint64_t gap = tail_ - head_;
    return bytes_min <= gap ? gap : 0;
  }
  const uint64_t end_gap = capacity_ - head_;
  if (bytes_min <= end_gap) return end_gap;
  return bytes_min <= tail_ ? tail_ : 0;
}

uint64_t WindowRing::Allocate(uint64_t bytes) {
  SHOAL_CHECK(bytes > 0 && bytes <= Room(bytes), "no room for ", bytes);
  uint64_t start = head_;
  if (empty_) {
    start = 0;
    tail_ = 0;
    empty_ = false;
  } else if (head_ > tail_ && bytes > capacity_ - head_) {
    start = 0;
  }
  head_ = start + bytes;
  return start;
}

void WindowRing::FreeUpTo(uint64_t offset) {
  SHOAL_CHECK(!empty_ && offset < capacity_);
  tail_ = offset;
}

void WindowRing::FreeAll() { empty_ = true; }

}  // namespace shoal::memory

// Where in the window's memory the next units go.

#ifndef SHOAL_MEMORY_WINDOW_RING_H_
#define SHOAL_MEMORY_WINDOW_RING_H_

#include <cstdint>

namespace shoal::memory {

// Bookkeeping of a ring of `capacity` bytes from which extents are taken in
// order and given back in the same order. An extent never wraps: where the end
// of the ring is too short for it, it goes to the start and the end stays
// unused until it comes round again. Any extent of at most `capacity` bytes
// fits once all others are back.
//
// Threads: thread-compatible.
class WindowRing {
 public:
  explicit WindowRing(uint64_t capacity) : capacity_(capacity) {}

  // The longest extent that Allocate() can place now if it must hold at least
  // `bytes_min`; 0 if there is no room for that. Takes the run that Allocate()
  // would take for bytes_min. REQUIRES: bytes_min > 0.
  uint64_t Room(uint64_t bytes_min) const;

  // Takes an extent and returns where it starts.
  // REQUIRES: 0 < bytes <= Room(bytes_min) of some bytes_min <= bytes.
  uint64_t Allocate(uint64_t bytes);

  // All that was taken before the extent (or part of one) at `offset` is back.
  void FreeUpTo(uint64_t offset);
  void FreeAll();

  uint64_t capacity() const { return capacity_; }

 private:
  const uint64_t capacity_;
  bool empty_ = true;
  uint64_t head_ = 0;  // where the next extent starts, if it fits there
  uint64_t tail_ = 0;  // start of the oldest extent
};

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_WINDOW_RING_H_

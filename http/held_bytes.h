// Counts the bytes that all connections hold together.

#ifndef SHOAL_HTTP_HELD_BYTES_H_
#define SHOAL_HTTP_HELD_BYTES_H_

#include <atomic>
#include <cstddef>

namespace shoal::http {

// Threads: thread-safe.
class HeldBytes {
 public:
  explicit HeldBytes(size_t limit) : limit_(limit) {}

  // False: there is no room for so many more, and nothing was taken.
  bool Take(size_t bytes) {
    size_t held = held_;
    do {
      if (bytes > limit_ - held) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes));
    return true;
  }
  void Give(size_t bytes) { held_ -= bytes; }

 private:
  const size_t limit_;
  std::atomic<size_t> held_ = 0;  // <= limit_
};

}  // namespace shoal::http

#endif  // SHOAL_HTTP_HELD_BYTES_H_

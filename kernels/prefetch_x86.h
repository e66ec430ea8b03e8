// How the kernels of one or few tokens ask for weights ahead of their use:
// memory binds them. For files compiled for x86; static for the reason given in
// kernels/tile.h.
//
// Functions that do nothing but request must be inlined by force: GCC 12 holds
// a function of prefetches alone for one without effect, and drops its calls.

#ifndef SHOAL_KERNELS_PREFETCH_X86_H_
#define SHOAL_KERNELS_PREFETCH_X86_H_

#include <xmmintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/tile.h"

namespace shoal::kernels {
namespace {

// Measured with 300 MB of Q4_0 in huge pages, in GB/s on one core: rows that
// follow one another, and pieces of 9 and of 36 KiB that lie apart; and rows of
// Q6_K, whose words are not read in their order:
//                                        rows   9  36  Q6_K
//   Zen 4    no requests                   27  10  17     5
//            into L1, 4 KiB ahead          26  10  17    17
//            into L2, 8 KiB ahead          22  18  20    19
//            and into L1, 2 KiB ahead      21  18  20    23
// Its cores follow a stream by themselves, better than any request, but take
// several tens of KiB to find one, and find none between a block's words. Those
// of Intel gain by requests into L1 (10.2 instead of 6.9 GB/s with AVX2).
class Prefetcher {
 public:
  // `bytes_ahead` on processors other than AMD's.
  Prefetcher(const Tile& tile, uint32_t bytes_ahead)
      : ahead_(tile.ahead),
        way_(!__builtin_cpu_is("amd")   ? Way::kAll
             : IsReadInOrder(tile.type) ? Way::kEnd
                                        : Way::kTwice),
        bytes_(way_ == Way::kAll ? bytes_ahead : kFarBytes) {}

  // What to ask for when `place` is read, or null.
  const std::byte* AheadOf(const std::byte* place) const {
    if (way_ == Way::kEnd &&
        (ahead_.beyond == 0 ||
         reinterpret_cast<uintptr_t>(place + kPieceBytes) < ahead_.end)) {
      return nullptr;
    }
    return AheadAt(ahead_, place + bytes_);
  }
  // The line `offset` bytes from the place ahead, of where it is read.
  [[gnu::always_inline]] void Request(const std::byte* ahead,
                                      const std::byte* place,
                                      uint32_t offset) const {
    if (way_ == Way::kAll) return _mm_prefetch(ahead + offset, _MM_HINT_T0);
    _mm_prefetch(ahead + offset, _MM_HINT_T1);
    if (way_ == Way::kTwice) {
      _mm_prefetch(place + kNearBytes + offset, _MM_HINT_T0);
    }
  }

 private:
  enum class Way : uint8_t {
    kAll,    // into L1
    kEnd,    // into L2, where the rows are about to end
    kTwice,  // into L2, and again into L1
  };
  // Whether the kernels read the words of a large block as they lie; of these
  // types they are at two or three places at once, or come back to one.
  static bool IsReadInOrder(WeightType type) {
    return type != WeightType::kQ2_K && type != WeightType::kQ3_K &&
           type != WeightType::kQ5_K && type != WeightType::kQ6_K;
  }

  static constexpr uint32_t kFarBytes = 8192, kNearBytes = 2048;
  static constexpr uint32_t kPieceBytes = 65536;

  const ReadAhead ahead_;
  const Way way_;
  const uint32_t bytes_;
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PREFETCH_X86_H_

// How the kernels of one or few tokens ask for weights ahead of their use:
// memory binds them. For files compiled for x86; static for the reason given in
// kernels/tile.h.

#ifndef SHOAL_KERNELS_PREFETCH_X86_H_
#define SHOAL_KERNELS_PREFETCH_X86_H_

#include <xmmintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/tile.h"

namespace shoal::kernels {
namespace {

// Measured with Q4_0 in memory of huge pages, in GB/s on one core, rows that
// follow one another and pieces of 9 KiB that lie apart:
//                                         rows  pieces
//   Zen 4    no requests                    31      11
//            into L1, 3 KiB ahead           27      11
//            into L2, 6 KiB ahead           25      20
//            the same at ends only          31      20
// Its cores keep few requests of L1 open, and lose a stream that is asked for;
// those of Intel gain by requests into L1 (10.2 instead of 6.9 GB/s with AVX2).
class Prefetcher {
 public:
  // `bytes_ahead` where the rows are asked for all along.
  Prefetcher(const ReadAhead& ahead, uint32_t bytes_ahead)
      : ahead_(ahead),
        streams_(__builtin_cpu_is("amd")),
        bytes_(streams_ ? kStreamEndBytes : bytes_ahead) {}

  // What to ask for when `place` is read, or null.
  const std::byte* AheadOf(const std::byte* place) const {
    const std::byte* wanted = place + bytes_;
    if (streams_ && (ahead_.beyond == 0 ||
                     reinterpret_cast<uintptr_t>(wanted) < ahead_.end)) {
      return nullptr;
    }
    return AheadAt(ahead_, wanted);
  }
  void Request(const std::byte* line) const {
    if (streams_) {
      _mm_prefetch(line, _MM_HINT_T1);
    } else {
      _mm_prefetch(line, _MM_HINT_T0);
    }
  }

 private:
  static constexpr uint32_t kStreamEndBytes = 6144;

  const ReadAhead ahead_;
  const bool streams_;  // the processor follows rows by itself, and better
  const uint32_t bytes_;
};

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PREFETCH_X86_H_

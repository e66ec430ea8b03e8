// Loops that do nothing but multiply and add, or read: how fast the cores of
// this machine can possibly be, one set of loops per instruction set.

#ifndef SHOAL_KERNELS_PEAK_H_
#define SHOAL_KERNELS_PEAK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::kernels {

inline constexpr uint64_t kPeakRoundsMax = uint64_t{1} << 18;

// Threads: all functions are thread-safe and allocate nothing.
struct PeakLoops {
  absl::string_view isa;  // as KernelTable::isa

  // Multiply-adds of 8-bit integers into 32 bits, the way that products of
  // quantised weights do them, on registers alone. All factors are 1, and the
  // sum of the products is returned: the number of multiply-adds.
  // REQUIRES: rounds <= kPeakRoundsMax, which sums of floats hold exactly.
  uint64_t (*integer_macs)(uint64_t rounds);
  // The same of floats.
  uint64_t (*float_macs)(uint64_t rounds);

  // Reads `bytes` in order, asking for memory `ahead` bytes before its use (0:
  // leaves it to the processor). Returns the sum of the 64-bit words.
  // REQUIRES: bytes % 512 == 0.
  uint64_t (*read)(const std::byte* from, uint64_t bytes, uint64_t ahead);
};

// Those that this processor runs, best first; never empty.
std::vector<const PeakLoops*> AvailablePeakLoops();

// The loops of the table named `isa`, or the best if it has none of its own.
const PeakLoops& PeakLoopsFor(absl::string_view isa);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PEAK_H_

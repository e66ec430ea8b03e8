// Which loops a 64-bit ARM processor runs.

#include <sys/auxv.h>

#include "kernels/peak_isa.h"

namespace shoal::kernels {
namespace {

// Bits of the system's report (Linux, arch/arm64, elf_hwcaps).
constexpr unsigned long kDotprodBit = 1ul << 20;  // of AT_HWCAP
constexpr unsigned long kI8mmBit = 1ul << 13;     // of AT_HWCAP2

}  // namespace

std::vector<const PeakLoops*> VectorPeakLoops() {
  std::vector<const PeakLoops*> loops;
  const bool has_dotprod = (getauxval(AT_HWCAP) & kDotprodBit) != 0;
  if (has_dotprod && (getauxval(AT_HWCAP2) & kI8mmBit) != 0) {
    loops.push_back(&kPeakNeonI8mm);
  }
  if (has_dotprod) loops.push_back(&kPeakNeonDotprod);
  loops.push_back(&kPeakNeon);
  return loops;
}

}  // namespace shoal::kernels

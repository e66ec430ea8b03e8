// NEON with matrix products: 32 products of bytes are one instruction.

#include "kernels/peak_isa.h"
#include "kernels/peak_neon.h"

namespace shoal::kernels {
namespace {

uint64_t IntegerMacs(uint64_t rounds) {
  int8x16_t a = vdupq_n_s8(1);
  const int8x16_t b = vdupq_n_s8(1);
  int32x4_t sums[neon::kPeakSums];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (int32x4_t& sum : sums) {
      // Hides that `a` stays the same.
      asm volatile("" : "+w"(a));
      sum = vmmlaq_s32(sum, a, b);
    }
  }
  return neon::PeakTotal(sums);
}

}  // namespace

constexpr PeakLoops kPeakNeonI8mm = {
    .isa = "neon-i8mm",
    .integer_macs = IntegerMacs,
    .float_macs = neon::PeakFloatMacs,
    .read = neon::PeakRead,
};

}  // namespace shoal::kernels

// NEON: 16 products of bytes are three instructions.

#include "kernels/peak_neon.h"

#include "kernels/peak_isa.h"

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
      const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
      sum = vpadalq_s16(sum, vmlal_high_s8(low, a, b));
    }
  }
  return neon::PeakTotal(sums);
}

}  // namespace

constexpr PeakLoops kPeakNeon = {
    .isa = "neon",
    .integer_macs = IntegerMacs,
    .float_macs = neon::PeakFloatMacs,
    .read = neon::PeakRead,
};

}  // namespace shoal::kernels

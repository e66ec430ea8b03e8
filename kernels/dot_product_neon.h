// Sums by the instruction SDOT, for product_a8_neon.h: four products of bytes
// for each lane, here the word of a row and 4 activations that one lane of the
// other operand holds. For files compiled with dotprod only.

#ifndef SHOAL_KERNELS_DOT_PRODUCT_NEON_H_
#define SHOAL_KERNELS_DOT_PRODUCT_NEON_H_

#include "kernels/product_a8_neon.h"

namespace shoal::kernels::neon {
namespace {

struct ByDotProduct {
  static constexpr int kTokens = 1;
  static constexpr int kTokensMax = 8;

  template <int T>
  struct Operands {
    int8x16_t halves[T][2];

    Operands(const int8_t* from, uint64_t cols) {
      for (int t = 0; t < T; ++t) {
        halves[t][0] = vld1q_s8(from + t * cols);
        halves[t][1] = vld1q_s8(from + t * cols + 16);
      }
    }
  };

  template <int kHalf, int kSumWords, int T>
  [[gnu::always_inline]] static inline void AddHalf(const PartQuants& quants,
                                                    const Operands<T>& operands,
                                                    int32x4_t (&sums)[T]) {
    const int8x16_t* words = quants + 4 * kHalf;
    for (int t = 0; t < T; ++t) {
      const int8x16_t a = operands.halves[t][kHalf];
      sums[t] = vdotq_laneq_s32(sums[t], words[0], a, 0);
      sums[t] = vdotq_laneq_s32(sums[t], words[1], a, 1);
      sums[t] = vdotq_laneq_s32(sums[t], words[2], a, 2);
      sums[t] = vdotq_laneq_s32(sums[t], words[3], a, 3);
    }
  }

  template <int T>
  [[gnu::always_inline]] static inline void AddAll(const PartQuants& quants,
                                                   const Operands<T>& operands,
                                                   int32x4_t (&sums)[T]) {
    AddHalf<0, 4, T>(quants, operands, sums);
    AddHalf<1, 4, T>(quants, operands, sums);
  }
};

}  // namespace
}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_DOT_PRODUCT_NEON_H_

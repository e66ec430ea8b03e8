// Products with a8 activations for ARM processors with i8mm: SMMLA multiplies
// 2 x 8 bytes by 8 x 2, here two rows' words w and w + 1 by 8 activations of
// two tokens. One token alone has its sums by SDOT.

#include "kernels/dot_product_neon.h"
#include "kernels/isa.h"
#include "kernels/neon.h"

namespace shoal::kernels::neon {
namespace {

struct ByMatrixProduct {
  static constexpr int kTokens = 2;
  static constexpr int kTokensMax = 8;

  template <int T>
  struct Operands {
    int8x16_t pairs[T / 2][4];  // 8 activations of both tokens

    Operands(const int8_t* from, uint64_t cols) {
      for (int pair = 0; pair < T / 2; ++pair) {
        const int8_t* a = from + 2 * pair * cols;
        for (int half = 0; half < 2; ++half) {
          const int64x2_t first = vreinterpretq_s64_s8(vld1q_s8(a + 16 * half));
          const int64x2_t second =
              vreinterpretq_s64_s8(vld1q_s8(a + cols + 16 * half));
          pairs[pair][2 * half] =
              vreinterpretq_s8_s64(vzip1q_s64(first, second));
          pairs[pair][2 * half + 1] =
              vreinterpretq_s8_s64(vzip2q_s64(first, second));
        }
      }
    }
  };

  template <int kHalf, int kSumWords, int T>
  [[gnu::always_inline]] static inline void AddHalf(const PartQuants& quants,
                                                    const Operands<T>& operands,
                                                    int32x4_t (&sums)[T]) {
    for (int eight = 2 * kHalf; eight < 2 * kHalf + 2; ++eight) {
      const int32x4_t first = vreinterpretq_s32_s8(quants[2 * eight]);
      const int32x4_t second = vreinterpretq_s32_s8(quants[2 * eight + 1]);
      const int8x16_t rows01 = vreinterpretq_s8_s32(vzip1q_s32(first, second));
      const int8x16_t rows23 = vreinterpretq_s8_s32(vzip2q_s32(first, second));
      for (int pair = 0; pair < T / 2; ++pair) {
        const int8x16_t tokens = operands.pairs[pair][eight];
        sums[2 * pair] = vmmlaq_s32(sums[2 * pair], rows01, tokens);
        sums[2 * pair + 1] = vmmlaq_s32(sums[2 * pair + 1], rows23, tokens);
      }
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

void ProductI8mm(const WeightMatrix& weights, uint32_t row_begin,
                 uint32_t row_end, const ActivationView& input,
                 const ProductOutput& output) {
  CheckProductArguments(LayoutId::kTile16, weights, row_begin, row_end, input);
  if (input.encoding == Encoding::kF32) {
    return ProductF32(weights, row_begin, row_end, input, output);
  }
  ProductOfType<ByMatrixProduct, ByDotProduct>(weights, row_begin, row_end,
                                               input, output);
}

}  // namespace shoal::kernels::neon

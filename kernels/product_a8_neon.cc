// Products with a8 activations for every 64-bit ARM processor: bytes are
// multiplied into i16, whose lanes sum one byte position of one row each, as
// many words as fit; then the i16 of a row are added.

#include "kernels/product_a8_neon.h"

#include "kernels/isa.h"
#include "kernels/neon.h"

namespace shoal::kernels::neon {
namespace {

struct ByMultiplyLong {
  static constexpr int kTokens = 1;
  static constexpr int kTokensMax = 4;

  template <int T>
  struct Operands {
    const int8_t* quants;
    uint64_t stride;

    Operands(const int8_t* from, uint64_t cols) : quants(from), stride(cols) {}

    // 4 activations, twice.
    int8x8_t Word(int token, int word) const {
      int32_t bytes;
      std::memcpy(&bytes, quants + token * stride + 4 * word, sizeof(bytes));
      return vreinterpret_s8_s32(vdup_n_s32(bytes));
    }
  };

  // Adds the products of words [first, past), which an i16 can sum.
  template <int T>
  static inline void AddWords(const PartQuants& quants,
                              const Operands<T>& operands, int first, int past,
                              int32x4_t (&sums)[T]) {
    for (int t = 0; t < T; ++t) {
      int16x8_t low = vdupq_n_s16(0), high = low;
      for (int w = first; w < past; ++w) {
        const int8x8_t activations = operands.Word(t, w);
        low = vmlal_s8(low, vget_low_s8(quants[w]), activations);
        high = vmlal_s8(high, vget_high_s8(quants[w]), activations);
      }
      sums[t] =
          vaddq_s32(sums[t], vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
    }
  }

  template <int kHalf, int kSumWords, int T>
  static inline void AddHalf(const PartQuants& quants,
                             const Operands<T>& operands,
                             int32x4_t (&sums)[T]) {
    for (int w = 4 * kHalf; w < 4 * kHalf + 4; w += kSumWords) {
      AddWords<T>(quants, operands, w, w + kSumWords, sums);
    }
  }

  template <int T>
  static inline void AddAll(const PartQuants& quants,
                            const Operands<T>& operands, int32x4_t (&sums)[T]) {
    AddWords<T>(quants, operands, 0, 8, sums);
  }
};

}  // namespace

void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output) {
  CheckProductArguments(LayoutId::kTile16, weights, row_begin, row_end, input);
  if (input.encoding == Encoding::kF32) {
    return ProductF32(weights, row_begin, row_end, input, output);
  }
  ProductOfType<ByMultiplyLong, ByMultiplyLong>(weights, row_begin, row_end,
                                                input, output);
}

}  // namespace shoal::kernels::neon

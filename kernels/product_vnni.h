// Products with a8 activations by instructions that multiply unsigned by signed
// bytes and add four products into an i32 (VNNI), for any vector V
// (vector_avx512.h, vector_avxvnni.h). For files compiled for one of these
// only; static for the reason given in kernels/tile.h.
//
// Weights are read as unsigned bytes, `kOffset` too much; the activations' sums
// take that off: sum((b - o) a) = sum(b a) - o sum(a). The sums are exact: at
// most 32 * 255 * 127 + 255 * 32 * 127 < 2^22. They are kept as floats near
// kRaised, which costs nothing, so that one multiply-add makes scale * sum of
// them, rounded once: scale * kRaised is exact, because the scales of all
// formats have at most 22 bits. (Scales of 2^104 and more, which only MXFP4 has
// room for, give NaN.) Then come a multiply-add for the minimum and one for the
// activations' scale, parts in order. The order of operations is part of the
// numerics: a token's bits do not depend on the way taken. Two kinds of types
// add up more before they multiply:
//   two scales a part    the second sum, less kRaised, is multiplied and added
//                        to what the first has made
//   one scale for a block (and integer factors)  sums, less kRaised, times the
//                        activations' scale, parts in order; then the block's
//                        scale; then each minimum, times sum and scale of its
//                        activations
// A subtraction is no more instructions than the multiply-add that it replaces,
// and many processors have other ports for it than those that multiply.
//   one token  product_vnni_one.h
//   several    product_vnni_many.h

#ifndef SHOAL_KERNELS_PRODUCT_VNNI_H_
#define SHOAL_KERNELS_PRODUCT_VNNI_H_

#include "kernels/product_types_vnni.h"
#include "kernels/product_vnni_many.h"
#include "kernels/product_vnni_one.h"
#include "kernels/tile.h"

namespace shoal::kernels {
namespace {

// Rows [row, row_end), N tiles at a time and then fewer.
template <typename V, typename Type, int N>
void DotRows(const WeightMatrix& weights, const TypeEntry& entry, uint32_t row,
             uint32_t row_end, const ActivationView& input, uint32_t token,
             uint32_t count, const ProductOutput& output) {
  for (; row + (N - 1) * kTileRows < row_end; row += N * kTileRows) {
    DotMany<V, Type, N>(weights, entry, row, row_end, input, token, count,
                        output);
  }
  if constexpr (N > 1) {
    DotRows<V, Type, N - 1>(weights, entry, row, row_end, input, token, count,
                            output);
  }
}

template <typename V, typename Type>
void VnniRows(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
              const ActivationView& input, const ProductOutput& output) {
  const TypeEntry& entry = EntryOf(weights.type);
  if (input.tokens > 1) {
    for (uint32_t token = 0; token < input.tokens; token += kManyTokensMax) {
      const uint32_t left = input.tokens - token;
      const uint32_t count = left < kManyTokensMax ? left : kManyTokensMax;
      DotRows<V, Type, V::kTiles>(weights, entry, row_begin, row_end, input,
                                  token, count, output);
    }
    return;
  }
  alignas(64) std::byte scratch[kTileScratchBytes];
  for (uint32_t row = row_begin; row < row_end; row += kTileRows) {
    const Tile tile = TileAt(weights, entry, row, row_end, scratch);
    OneToken<V, Type>::Dot(tile, input, output, scratch);
  }
}

template <typename V>
void VnniProductA8(const WeightMatrix& weights, uint32_t begin, uint32_t end,
                   const ActivationView& input, const ProductOutput& output) {
  using Types = Vnni<V>;
  switch (weights.type) {
    case WeightType::kQ4_0:
      return VnniRows<V, typename Types::Q4_0>(weights, begin, end, input,
                                               output);
    case WeightType::kQ4_1:
      return VnniRows<V, typename Types::Q4_1>(weights, begin, end, input,
                                               output);
    case WeightType::kQ5_0:
      return VnniRows<V, typename Types::Q5_0>(weights, begin, end, input,
                                               output);
    case WeightType::kQ5_1:
      return VnniRows<V, typename Types::Q5_1>(weights, begin, end, input,
                                               output);
    case WeightType::kQ8_0:
      return VnniRows<V, typename Types::Q8_0>(weights, begin, end, input,
                                               output);
    case WeightType::kQ2_K:
      return VnniRows<V, typename Types::Q2_K>(weights, begin, end, input,
                                               output);
    case WeightType::kQ3_K:
      return VnniRows<V, typename Types::Q3_K>(weights, begin, end, input,
                                               output);
    case WeightType::kQ4_K:
      return VnniRows<V, typename Types::Q4_K>(weights, begin, end, input,
                                               output);
    case WeightType::kQ5_K:
      return VnniRows<V, typename Types::Q5_K>(weights, begin, end, input,
                                               output);
    case WeightType::kQ6_K:
      return VnniRows<V, typename Types::Q6_K>(weights, begin, end, input,
                                               output);
    case WeightType::kIQ4_NL:
      return VnniRows<V, typename Types::IQ4_NL>(weights, begin, end, input,
                                                 output);
    case WeightType::kIQ4_XS:
      return VnniRows<V, typename Types::IQ4_XS>(weights, begin, end, input,
                                                 output);
    case WeightType::kMXFP4:
      return VnniRows<V, typename Types::MXFP4>(weights, begin, end, input,
                                                output);
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return;  // excluded by CheckProductArguments()
  }
}

}  // namespace
}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_PRODUCT_VNNI_H_

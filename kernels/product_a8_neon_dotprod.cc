// Products with a8 activations for ARM processors with dotprod.

#include "kernels/dot_product_neon.h"
#include "kernels/isa.h"
#include "kernels/neon.h"

namespace shoal::kernels::neon {

void ProductDotprod(const WeightMatrix& weights, uint32_t row_begin,
                    uint32_t row_end, const ActivationView& input,
                    const ProductOutput& output) {
  CheckProductArguments(LayoutId::kTile16, weights, row_begin, row_end, input);
  if (input.encoding == Encoding::kF32) {
    return ProductF32(weights, row_begin, row_end, input, output);
  }
  ProductOfType<ByDotProduct, ByDotProduct>(weights, row_begin, row_end, input,
                                            output);
}

}  // namespace shoal::kernels::neon

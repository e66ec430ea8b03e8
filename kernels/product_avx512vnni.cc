// Products with AVX-512 VNNI.

#include "kernels/avx2.h"
#include "kernels/isa.h"
#include "kernels/product_vnni.h"
#include "kernels/vector_avx512.h"
#include "kernels/vnni.h"

namespace shoal::kernels::avx512vnni {

void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output) {
  if (input.encoding == Encoding::kF32) {
    return avx2::Product(weights, row_begin, row_end, input, output);
  }
  CheckProductArguments(LayoutId::kTile16, weights, row_begin, row_end, input);
  VnniProductA8<Avx512>(weights, row_begin, row_end, input, output);
}

}  // namespace shoal::kernels::avx512vnni

// Products with 256-bit VNNI. tests/kernels compiles this file once more, for
// AVX-512 VL and into another namespace: the same instructions in another
// encoding, so that processors without AVX-VNNI can test it.

#include "kernels/avx2.h"
#include "kernels/isa.h"
#include "kernels/product_vnni.h"
#include "kernels/vector_avxvnni.h"
#include "kernels/vnni.h"

#ifndef SHOAL_AVXVNNI_NAMESPACE
#define SHOAL_AVXVNNI_NAMESPACE avxvnni
#endif

namespace shoal::kernels::SHOAL_AVXVNNI_NAMESPACE {

void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output) {
  if (input.encoding == Encoding::kF32) {
    return avx2::Product(weights, row_begin, row_end, input, output);
  }
  CheckProductArguments(LayoutId::kTile16, weights, row_begin, row_end, input);
  VnniProductA8<AvxVnni>(weights, row_begin, row_end, input, output);
}

}  // namespace shoal::kernels::SHOAL_AVXVNNI_NAMESPACE

// The table with the 256-bit products as AVX-512 VL encodes them.

#include "tests/kernels/extra_tables.h"

namespace shoal::kernels {

namespace avxvnni_by_vl {
void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output);
}  // namespace avxvnni_by_vl

namespace testing {

std::vector<const KernelTable*> ExtraTables() {
  const auto best = SelectKernels("avx512vnni");
  if (!best.ok()) return {};
  static const KernelTable table = [&] {
    KernelTable copy = **best;
    copy.isa = "avxvnni by VL";
    copy.product = avxvnni_by_vl::Product;
    return copy;
  }();
  return {&table};
}

}  // namespace testing
}  // namespace shoal::kernels

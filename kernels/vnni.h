// The products of the AVX-512 VNNI and AVX-VNNI tables (kernel_table.h has
// their contract); both tables have the other functions of AVX2's, but
// for those of avx512.h.

#ifndef SHOAL_KERNELS_VNNI_H_
#define SHOAL_KERNELS_VNNI_H_

#include <cstdint>

#include "kernels/kernel_table.h"

namespace shoal::kernels {

namespace avx512vnni {
// Needs AVX-512 F, BW, VL, DQ and VNNI, and what AVX2's table needs.
void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output);
}  // namespace avx512vnni

namespace avxvnni {
// Needs AVX-VNNI, and what AVX2's table needs.
void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output);
}  // namespace avxvnni

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_VNNI_H_

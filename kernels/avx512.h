// The functions that tables for AVX-512 have of their own (kernel_table.h has
// their contracts). They need AVX512F and AVX512DQ.

#ifndef SHOAL_KERNELS_AVX512_H_
#define SHOAL_KERNELS_AVX512_H_

#include "kernels/kernel_table.h"

namespace shoal::kernels::avx512 {

void Attention(const AttentionArgs& args);
void SiluMul(float* gate, const float* up, uint32_t count);

}  // namespace shoal::kernels::avx512

#endif  // SHOAL_KERNELS_AVX512_H_

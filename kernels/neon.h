// The functions of the NEON table (kernel_table.h has their contracts). They
// need what every 64-bit ARM processor has.

#ifndef SHOAL_KERNELS_NEON_H_
#define SHOAL_KERNELS_NEON_H_

#include <cstdint>

#include "kernels/kernel_table.h"

namespace shoal::kernels::neon {

void Product(const WeightMatrix& weights, uint32_t row_begin, uint32_t row_end,
             const ActivationView& input, const ProductOutput& output);
// The two halves of it, by the encoding of the input.
void ProductA8(const WeightMatrix& weights, uint32_t row_begin,
               uint32_t row_end, const ActivationView& input,
               const ProductOutput& output);
void ProductF32(const WeightMatrix& weights, uint32_t row_begin,
                uint32_t row_end, const ActivationView& input,
                const ProductOutput& output);

void EncodeA8(const float* from, uint32_t cols, int8_t* quants, float* scales,
              int16_t* sums);
void RmsNorm(const float* from, const float* weight, uint32_t count, float eps,
             float* to);
void SiluMul(float* gate, const float* up, uint32_t count);
void Attention(const AttentionArgs& args, float* out);

}  // namespace shoal::kernels::neon

#endif  // SHOAL_KERNELS_NEON_H_

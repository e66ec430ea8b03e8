// The functions of the AVX2 table (kernel_table.h has their contracts). They
// need AVX2, FMA and F16C.

#ifndef SHOAL_KERNELS_AVX2_H_
#define SHOAL_KERNELS_AVX2_H_

#include <cstdint>

#include "kernels/kernel_table.h"

namespace shoal::kernels::avx2 {

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
void LayerNorm(const float* from, const float* weight, const float* bias,
               uint32_t count, float eps, float* to);
void SiluMul(float* gate, const float* up, uint32_t count);
void GeluMul(float* gate, const float* up, uint32_t count);
void SwigluClamped(float* gate, const float* up, uint32_t count);
void Rope(RopePairing pairing, const float* cos_sin, uint32_t rotary_dim,
          float* head);
void Attention(const AttentionArgs& args);
void F32ToF16(const float* from, uint32_t count, uint16_t* to);

}  // namespace shoal::kernels::avx2

#endif  // SHOAL_KERNELS_AVX2_H_

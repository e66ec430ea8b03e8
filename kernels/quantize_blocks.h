// Quantisers of the types with blocks of 256 elements.

#ifndef SHOAL_KERNELS_QUANTIZE_BLOCKS_H_
#define SHOAL_KERNELS_QUANTIZE_BLOCKS_H_

#include <cstddef>
#include <span>

namespace shoal::kernels {

// REQUIRES: 256 values; room for a block.
void QuantizeQ2_K(std::span<const float> values, std::byte* to);
void QuantizeQ3_K(std::span<const float> values, std::byte* to);
void QuantizeQ4_K(std::span<const float> values, std::byte* to);
void QuantizeQ5_K(std::span<const float> values, std::byte* to);
void QuantizeQ6_K(std::span<const float> values, std::byte* to);
void QuantizeIQ4_XS(std::span<const float> values, std::byte* to);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_QUANTIZE_BLOCKS_H_

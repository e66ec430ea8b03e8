// Floats to the blocks of a weight type.
//
// Scales are chosen by least squares over a few candidates, then elements are
// rounded to the nearest value. The results are valid blocks of the GGUF
// formats (block_decoders.cc), not the same bits as other programs make.

#ifndef SHOAL_KERNELS_QUANTIZE_H_
#define SHOAL_KERNELS_QUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "kernels/weight_type.h"

namespace shoal::kernels {

// Writes BytesOf(type, count) bytes. REQUIRES: count is a whole number of
// blocks; all values are finite. Threads: thread-safe.
void Quantize(WeightType type, const float* from, uint64_t count,
              std::byte* to);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_QUANTIZE_H_

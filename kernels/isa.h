// The tables behind SelectKernels(), one per instruction set.

#ifndef SHOAL_KERNELS_ISA_H_
#define SHOAL_KERNELS_ISA_H_

#include <vector>

#include "kernels/kernel_table.h"

namespace shoal::kernels {

// Plain C++ for any processor, and the reference for the others.
const KernelTable& ScalarKernels();

// The other tables of this build that this processor can run, best first.
// Implemented by one isa_*.cc, chosen by CMake.
std::vector<const KernelTable*> VectorKernels();

// The REQUIRES of KernelTable::product, as checks, for a table of `layout`.
void CheckProductArguments(LayoutId layout, const WeightMatrix& weights,
                           uint32_t row_begin, uint32_t row_end,
                           const ActivationView& input);
void CheckAttentionArguments(const AttentionArgs& args);

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ISA_H_

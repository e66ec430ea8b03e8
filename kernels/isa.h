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

}  // namespace shoal::kernels

#endif  // SHOAL_KERNELS_ISA_H_

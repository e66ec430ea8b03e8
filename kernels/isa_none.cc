// For processors that have no vector kernels yet.

#include "kernels/isa.h"

namespace shoal::kernels {

std::vector<const KernelTable*> VectorKernels() { return {}; }

}  // namespace shoal::kernels

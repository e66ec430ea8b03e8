// Processors without vector loops.

#include "kernels/peak_isa.h"

namespace shoal::kernels {

std::vector<const PeakLoops*> VectorPeakLoops() { return {}; }

}  // namespace shoal::kernels

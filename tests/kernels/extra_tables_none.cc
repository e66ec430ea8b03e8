// No more tables than the library has.

#include "tests/kernels/extra_tables.h"

namespace shoal::kernels::testing {

std::vector<const KernelTable*> ExtraTables() { return {}; }

}  // namespace shoal::kernels::testing

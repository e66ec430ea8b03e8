// Kernel tables that only tests have: code for other processors in a form that
// this one runs.

#ifndef SHOAL_TESTS_KERNELS_EXTRA_TABLES_H_
#define SHOAL_TESTS_KERNELS_EXTRA_TABLES_H_

#include <vector>

#include "kernels/kernel_table.h"

namespace shoal::kernels::testing {

// With AVX-512 VNNI: the products of AVX-VNNI, in AVX-512's encoding of the
// same instructions.
std::vector<const KernelTable*> ExtraTables();

}  // namespace shoal::kernels::testing

#endif  // SHOAL_TESTS_KERNELS_EXTRA_TABLES_H_

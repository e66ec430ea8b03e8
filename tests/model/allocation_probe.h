// Watches how much memory code asks for at once.
//
// Linking allocation_probe.cc replaces the global operator new.

#ifndef SHOAL_TESTS_MODEL_ALLOCATION_PROBE_H_
#define SHOAL_TESTS_MODEL_ALLOCATION_PROBE_H_

#include <cstddef>

namespace shoal::model::testing {

// The largest single allocation of the process since the last reset, whether
// its pages were touched or not. Thread-safe.
size_t LargestAllocationBytes();
void ResetLargestAllocation();

}  // namespace shoal::model::testing

#endif  // SHOAL_TESTS_MODEL_ALLOCATION_PROBE_H_

// Keeps the process itself small, so that the budget goes to the model.

#ifndef SHOAL_WORKER_PROCESS_LIMITS_H_
#define SHOAL_WORKER_PROCESS_LIMITS_H_

namespace shoal::worker {

// Few heaps, and large blocks given back as soon as they are freed. Call it
// first in main(), before any thread starts. Without effect where the C library
// has no such setting.
void LimitHeapGrowth();

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_PROCESS_LIMITS_H_

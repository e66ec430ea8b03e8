#include "worker/process_limits.h"

#include <cstdlib>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace shoal::worker {

void LimitHeapGrowth() {
#if defined(__GLIBC__)
  // By default each thread may get a heap of its own, whose free parts no other
  // thread uses; gRPC alone starts half a dozen threads.
  mallopt(M_ARENA_MAX, 2);
  // Fixed: else glibc raises them after the first large block that is freed,
  // and keeps later ones.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  mallopt(M_TRIM_THRESHOLD, 256 << 10);
#endif
}

}  // namespace shoal::worker

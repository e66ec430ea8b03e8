// A file whose reads are recorded.

#ifndef SHOAL_WORKER_TRACED_FILE_H_
#define SHOAL_WORKER_TRACED_FILE_H_

#include <memory>

#include "base/trace.h"
#include "memory/block_file.h"

namespace shoal::worker {

// `recorder` is borrowed.
std::unique_ptr<memory::BlockFile> TraceReads(
    std::unique_ptr<memory::BlockFile> file, base::TraceRecorder& recorder);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_TRACED_FILE_H_

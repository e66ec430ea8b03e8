// Measures how fast a directory's disk is read.

#ifndef SHOAL_WORKER_DISK_RATE_H_
#define SHOAL_WORKER_DISK_RATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "memory/file_system.h"

namespace shoal::worker {

// Bytes per second of sequential reads as the window makes them, by the engine
// that it would use. Writes a file of at most 16 MiB in `directory` (made if
// missing), which is gone afterwards. Takes about `time`, or what writing and
// reading two requests of 2 MiB takes if that is longer; 5 MiB of memory.
// Errors: kUnavailable    the file cannot be written or read; says why
//         kUnimplemented  the system refuses this engine
absl::StatusOr<double> MeasureDiskRate(const std::string& directory,
                                       memory::IoEngine engine,
                                       absl::Duration time);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_DISK_RATE_H_

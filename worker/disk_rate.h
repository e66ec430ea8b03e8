// Measures how fast a directory's disk is read.

#ifndef SHOAL_WORKER_DISK_RATE_H_
#define SHOAL_WORKER_DISK_RATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "memory/file_system.h"

namespace shoal::worker {

// Bytes per second of sequential reads as the window makes them, by the engine
// that it would use. Writes a file of at most 16 MiB in `directory` (made if
// missing), which is gone afterwards. Takes about `time`, or what writing and
// reading two requests takes if that is longer. Each is half of `memory_bytes`,
// which is enough for huge pages by default and together not above what a
// process grows by in use anyway; 1 MiB more for writing, given back before.
// Errors: kUnavailable    the file cannot be written or read; says why
//         kUnimplemented  the system refuses this engine
absl::StatusOr<double> MeasureDiskRate(const std::string& directory,
                                       memory::IoEngine engine,
                                       absl::Duration time,
                                       uint64_t memory_bytes = uint64_t{4}
                                                               << 20);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_DISK_RATE_H_

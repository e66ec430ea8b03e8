// Measures how fast a directory's disk is read.

#ifndef SHOAL_WORKER_DISK_RATE_H_
#define SHOAL_WORKER_DISK_RATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::worker {

// Bytes per second of sequential reads of 1 MiB, past the page cache where the
// file system allows. Writes a file of at most 16 MiB in `directory` (made if
// missing), which is gone afterwards. Takes about `time`, or one write and one
// read of 1 MiB if that is longer.
// Errors: kUnavailable  the file cannot be written or read; says why
absl::StatusOr<double> MeasureDiskRate(const std::string& directory,
                                       absl::Duration time);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_DISK_RATE_H_

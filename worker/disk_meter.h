// Measures how fast a file is read, by size and number of requests.

#ifndef SHOAL_WORKER_DISK_METER_H_
#define SHOAL_WORKER_DISK_METER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "memory/block_file.h"
#include "memory/file_system.h"
#include "memory/slab.h"

namespace shoal::worker {

struct DiskCase {
  uint64_t request_bytes = uint64_t{1} << 20;  // of memory::kStoreAlignment
  uint32_t depth = 1;                          // requests in flight, > 0
};

struct DiskReading {
  double bytes_per_second = 0;
  double cores = 0;  // that the reading threads keep busy
};

// Reads one after the other through all that the file holds, without its holes,
// and over again. Where an engine goes through the page cache, what was read is
// dropped from it.
//
// Memory:  Options::memory_bytes. Threads: thread-compatible; Measure() starts
//          DiskCase::depth threads and joins them.
class DiskMeter {
 public:
  struct Options {
    std::string directory;    // where a file to read is made and taken away
    std::string file;         // or one that is there; then no other is made
    uint64_t file_bytes = 0;  // of the one to be made: a multiple of 1 MiB
    absl::Duration write_time = absl::InfiniteDuration();  // else a smaller one
    memory::IoEngine engine = memory::IoEngine::kAuto;
    // At least what the requests in flight take. They go through 16 MiB of it
    // in turn, as through a window: memory that is in a cache of the processor
    // is filled faster, where filling is a copy (by up to a third).
    uint64_t memory_bytes = 0;
  };

  // Errors: kUnavailable, kNotFound, kResourceExhausted  no such file, or it
  //                          cannot be made
  //         kInvalidArgument  the file is smaller than 1 MiB
  //         kUnimplemented    the system refuses the engine
  static absl::StatusOr<std::unique_ptr<DiskMeter>> Create(
      const Options& options);
  ~DiskMeter();
  DiskMeter(const DiskMeter&) = delete;
  DiskMeter& operator=(const DiskMeter&) = delete;

  // As BlockFile::engine().
  absl::string_view engine() const { return file_->engine(); }

  // For about `time`, at least one request of each thread.
  // REQUIRES: request_bytes * depth <= memory_bytes.
  // Errors: kUnavailable      the disk failed
  //         kInvalidArgument  the file's data are smaller than a request
  absl::StatusOr<DiskReading> Measure(const DiskCase& disk_case,
                                      absl::Duration time);

 private:
  DiskMeter() = default;

  // Requests of that size, and the place of one of them.
  uint64_t RequestCount(uint64_t bytes) const;
  uint64_t RequestAt(uint64_t number, uint64_t bytes) const;

  int fd_ = -1;  // of the file, for dropping its pages
  uint64_t file_bytes_ = 0;
  std::vector<std::pair<uint64_t, uint64_t>> data_;  // begin and end
  uint64_t bytes_read_ = 0;
  memory::Slab memory_;
  std::unique_ptr<memory::BlockFile> file_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_DISK_METER_H_

#include "worker/disk_rate.h"

#include <memory>

#include "base/byte_size.h"
#include "base/status_macros.h"
#include "worker/disk_meter.h"

namespace shoal::worker {
namespace {

// As memory::StreamWindow asks for weights. Together not above what a process
// grows by in use anyway, and enough for huge pages.
constexpr DiskCase kCase = {.request_bytes = 2 * base::kMiB, .depth = 2};
constexpr uint64_t kFileBytes = 16 * base::kMiB;

}  // namespace

absl::StatusOr<double> MeasureDiskRate(const std::string& directory,
                                       memory::IoEngine engine,
                                       absl::Duration time) {
  DiskMeter::Options options;
  options.directory = directory;
  options.file_bytes = kFileBytes;
  options.write_time = time / 2;
  options.engine = engine;
  options.memory_bytes = kCase.request_bytes * kCase.depth;
  SHOAL_ASSIGN_OR_RETURN(const auto meter, DiskMeter::Create(options));
  SHOAL_ASSIGN_OR_RETURN(const DiskReading reading,
                         meter->Measure(kCase, time / 2));
  return reading.bytes_per_second;
}

}  // namespace shoal::worker

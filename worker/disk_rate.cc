#include "worker/disk_rate.h"

#include <memory>

#include "base/byte_size.h"
#include "base/status_macros.h"
#include "worker/disk_meter.h"

namespace shoal::worker {
namespace {

constexpr uint32_t kDepth = 2;  // as memory::StreamWindow asks for weights
constexpr uint64_t kFileBytes = 16 * base::kMiB;

}  // namespace

absl::StatusOr<double> MeasureDiskRate(const std::string& directory,
                                       memory::IoEngine engine,
                                       absl::Duration time,
                                       uint64_t memory_bytes) {
  const DiskCase disk_case = {.request_bytes = memory_bytes / kDepth,
                              .depth = kDepth};
  DiskMeter::Options options;
  options.directory = directory;
  options.file_bytes = kFileBytes;
  options.write_time = time / 2;
  options.engine = engine;
  options.memory_bytes = memory_bytes;
  SHOAL_ASSIGN_OR_RETURN(const auto meter, DiskMeter::Create(options));
  SHOAL_ASSIGN_OR_RETURN(const DiskReading reading,
                         meter->Measure(disk_case, time / 2));
  return reading.bytes_per_second;
}

}  // namespace shoal::worker

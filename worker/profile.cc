#include "worker/profile.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "memory/process_memory.h"
#include "worker/cpu_rates.h"
#include "worker/disk_rate.h"

namespace shoal::worker {
namespace {

// 3 MiB of Q8_0 weights: beyond the second-level cache of small devices, and
// not above kGrowthBytes, so that measuring does not set the peak.
constexpr uint32_t kProbeCols = 2048;
constexpr uint32_t kProbeRows = 1440;

// What a worker's process grows by after start-up beyond what the plan counts.
// Measured 5.5 to 6.4 MiB, and 0.4 more with TLS, nearly all of it pages of
// libraries (gRPC's with OpenSSL are 2 MiB of it) and of our own code that
// serving touches for the first time; how many of those start-up has brought in
// differs with what the system's page cache held.
constexpr uint64_t kGrowthBytes = uint64_t{8} << 20;

// Multiply-adds per second of matrix-vector products.
absl::StatusOr<double> MeasureProducts(const kernels::KernelTable& kernels,
                                       uint32_t threads, absl::Duration time) {
  CpuMeter::Options options;
  options.kernels = &kernels;
  options.working_bytes = kernels::BytesOf(kernels::WeightType::kQ8_0,
                                           uint64_t{kProbeRows} * kProbeCols);
  options.time = time;
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<CpuMeter> meter,
                         CpuMeter::Create(options));
  const auto team = kernels::ThreadTeam::Create(threads);
  ProductCase product;
  product.rows = kProbeRows;
  product.cols = kProbeCols;
  return meter->MeasureProduct(*team, product).macs;
}

}  // namespace

absl::StatusOr<ProfileResult> MeasureProfile(const ProfileOptions& options) {
  SHOAL_ASSIGN_OR_RETURN(const kernels::KernelTable* kernels,
                         kernels::SelectKernels(options.isa));
  ProfileResult result;
  parallel::DeviceProfile& profile = result.profile;
  profile.name = options.name;
  profile.threads = options.threads;
  SHOAL_ASSIGN_OR_RETURN(
      profile.work_macs_per_second,
      MeasureProducts(*kernels, options.threads, options.measure_time));
  const auto disk = MeasureDiskRate(options.store_directory, options.io,
                                    options.measure_time);
  if (disk.ok()) {
    profile.disk_bytes_per_second = *disk;
  } else if (absl::IsUnimplemented(disk.status())) {
    return disk.status();
  } else {
    result.remark = absl::StrCat("the disk's rate is assumed to be ",
                                 profile.disk_bytes_per_second / 1e6,
                                 " MB/s: ", disk.status().message());
  }
  profile.budget_bytes = options.budget_bytes;
  if (profile.budget_bytes == 0) {
    SHOAL_ASSIGN_OR_RETURN(const memory::MachineMemory machine,
                           memory::ReadMachineMemory());
    profile.budget_bytes = machine.available_bytes / 5 * 4;
  }
  SHOAL_ASSIGN_OR_RETURN(const memory::ProcessMemory process,
                         memory::ReadProcessMemory());
  profile.fixed_bytes =
      std::max(process.rss_bytes + kGrowthBytes, process.peak_rss_bytes);
  return result;
}

}  // namespace shoal::worker

#include "worker/profile.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "kernels/activations.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "memory/process_memory.h"
#include "worker/disk_rate.h"

namespace shoal::worker {
namespace {

// 3 MiB of Q8_0 weights: beyond the second-level cache of small devices, and
// not above kGrowthBytes, so that measuring does not set the peak.
constexpr uint32_t kProbeCols = 2048;
constexpr uint32_t kProbeRows = 1440;

// What a worker's process grows by after start-up beyond what the plan counts.
// Measured 3.7 to 4.6 MiB, nearly all of it pages of libraries and of our own
// code that serving touches for the first time (15.5 of 18.4 MiB of a worker at
// its floor are such pages); how many of those start-up has brought in differs
// with what the system's page cache held.
constexpr uint64_t kGrowthBytes = uint64_t{6} << 20;

// Multiply-adds per second of matrix-vector products.
double MeasureProducts(const kernels::KernelTable& kernels, uint32_t threads,
                       absl::Duration time) {
  kernels::WeightMatrix weights;
  weights.type = kernels::WeightType::kQ8_0;
  weights.layout = kernels.layout;
  weights.rows = kProbeRows;
  weights.cols = kProbeCols;
  // Small positive numbers, whatever the layout.
  const std::vector<std::byte> bytes(weights.bytes(), std::byte{0x11});
  weights.data = bytes.data();
  kernels::ActivationBuffer input(kernels::Encoding::kA8, 1, kProbeCols);
  input.Resize(1);
  const std::vector<float> values(kProbeCols, 0.5f);
  kernels.encode_a8(values.data(), kProbeCols, input.quants(0), input.scales(0),
                    input.sums(0));
  std::vector<float> products(kProbeRows);
  const kernels::ProductOutput output{kernels::ProductOutput::Mode::kStore,
                                      products.data(), kProbeRows};
  const auto team = kernels::ThreadTeam::Create(threads);
  constexpr uint32_t kTiles = kProbeRows / kernels::kTileRows;
  const uint32_t tasks = std::min(kTiles, 4 * threads);
  const auto product = [&] {
    team->Run(tasks, [&](uint32_t task, uint32_t /*member*/) {
      const uint32_t begin = kTiles * task / tasks * kernels::kTileRows;
      const uint32_t end = kTiles * (task + 1) / tasks * kernels::kTileRows;
      kernels.product(weights, begin, end, input.View(), output);
    });
  };
  product();  // brings the memory in and the threads up
  const absl::Time start = absl::Now();
  uint64_t runs = 0;
  absl::Duration taken;
  do {
    product();
    ++runs;
    taken = absl::Now() - start;
  } while (taken < time);
  return static_cast<double>(runs) * kProbeRows * kProbeCols /
         absl::ToDoubleSeconds(taken);
}

}  // namespace

absl::StatusOr<ProfileResult> MeasureProfile(const ProfileOptions& options) {
  SHOAL_ASSIGN_OR_RETURN(const kernels::KernelTable* kernels,
                         kernels::SelectKernels(options.isa));
  ProfileResult result;
  parallel::DeviceProfile& profile = result.profile;
  profile.name = options.name;
  profile.threads = options.threads;
  profile.work_macs_per_second =
      MeasureProducts(*kernels, options.threads, options.measure_time);
  const auto disk =
      MeasureDiskRate(options.store_directory, options.measure_time);
  if (disk.ok()) {
    profile.disk_bytes_per_second = *disk;
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

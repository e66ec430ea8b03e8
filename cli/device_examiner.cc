#include "cli/device_examiner.h"

#include <utility>

#include "base/byte_size.h"
#include "kernels/kernel_table.h"
#include "worker/disk_rate.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kDiskTime = absl::Milliseconds(400);
// Within what a process that serves has left below its budget; requests are
// half as large as those of weights then.
constexpr uint64_t kDiskMemoryBytes = 2 * base::kMiB;

}  // namespace

health::Findings ExamineDevice(const DeviceExamination& examination) {
  health::DeviceDuty duty = examination.duty;
  for (const absl::string_view isa : kernels::AvailableIsas()) {
    duty.isas.emplace_back(isa);
  }
  const auto kernels = kernels::SelectKernels(examination.isa);
  duty.isa = kernels.ok() ? std::string((*kernels)->isa) : examination.isa;
  health::DeviceFacts facts = health::ReadDeviceFacts(
      examination.system_root, examination.store_directory);
  const auto rate = worker::MeasureDiskRate(
      examination.store_directory, examination.io, kDiskTime, kDiskMemoryBytes);
  if (rate.ok()) {
    facts.disk.bytes_per_second = *rate;
  } else {
    facts.disk.rate_status = rate.status();
  }
  facts.half_open = health::StillHalfOpen(
      facts.half_open,
      health::ReadHalfOpen(health::SystemFiles(examination.system_root)));
  return health::CheckDevice(facts, duty);
}

std::function<health::Findings()> ExaminerOf(
    const DeviceExamination& examination,
    const parallel::DeviceProfile& profile) {
  DeviceExamination whole = examination;
  whole.duty.budget_bytes = profile.budget_bytes;
  whole.duty.is_this_process = true;
  whole.duty.threads = profile.threads;
  whole.duty.disk_bytes_per_second = profile.disk_bytes_per_second;
  return [whole = std::move(whole)] { return ExamineDevice(whole); };
}

}  // namespace shoal::cli

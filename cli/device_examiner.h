// Checks the device on which this process runs.

#ifndef SHOAL_CLI_DEVICE_EXAMINER_H_
#define SHOAL_CLI_DEVICE_EXAMINER_H_

#include <functional>
#include <string>

#include "health/checks.h"
#include "memory/file_system.h"
#include "parallel/planner.h"

namespace shoal::cli {

struct DeviceExamination {
  std::string system_root = "/";  // of /proc and /sys
  std::string store_directory;
  memory::IoEngine io = memory::IoEngine::kAuto;
  std::string isa = "auto";
  // What is not known of it is left as it is; `isa` and `isas` are found out.
  health::DeviceDuty duty;
};

// Reads what the system says and measures the disk, half a second in all, with
// 16 MiB of disk that are given back.
health::Findings ExamineDevice(const DeviceExamination& examination);

// The same for a process that is part of a fleet with this profile; called by
// any thread, one at a time.
std::function<health::Findings()> ExaminerOf(
    const DeviceExamination& examination,
    const parallel::DeviceProfile& profile);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_DEVICE_EXAMINER_H_

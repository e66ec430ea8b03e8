// Whether what is known of a device is well: facts in, findings out.

#ifndef SHOAL_HEALTH_CHECKS_H_
#define SHOAL_HEALTH_CHECKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "health/device_facts.h"
#include "health/finding.h"

namespace shoal::health {

// What the device is to do. What is not known is 0 or empty.
struct DeviceDuty {
  uint64_t budget_bytes = 0;  // of a worker's whole process, its cap
  // The budget is that of this very process, whose memory counts as available.
  bool is_this_process = false;
  uint32_t threads = 0;
  std::string isa;                   // in use
  std::vector<std::string> isas;     // that the processor and program know
  double disk_bytes_per_second = 0;  // what the plan assumes
};

// Each of one matter, in one line of check names that never changes; some
// yield nothing where the system does not tell. No side effects.
Finding CheckIsa(const DeviceDuty& duty);
Finding CheckMemory(const DeviceFacts& facts, const DeviceDuty& duty);
Finding CheckMemoryLimit(const DeviceFacts& facts, const DeviceDuty& duty);
Finding CheckThreads(const DeviceFacts& facts, const DeviceDuty& duty);
Finding CheckDiskSpace(const DiskFacts& disk);
Finding CheckDiskRate(const DiskFacts& disk, const DeviceDuty& duty);
Finding CheckNetwork(const std::vector<InterfaceFacts>& interfaces);
Finding CheckHalfOpen(const std::vector<HalfOpen>& half_open);
Finding CheckHeat(const HeatFacts& heat, const CpuFacts& cpu);
Finding CheckBattery(const std::optional<BatteryFacts>& battery);

// All of them.
Findings CheckDevice(const DeviceFacts& facts, const DeviceDuty& duty);

}  // namespace shoal::health

#endif  // SHOAL_HEALTH_CHECKS_H_

// What the system says of this device, as far as it matters to a fleet.

#ifndef SHOAL_HEALTH_DEVICE_FACTS_H_
#define SHOAL_HEALTH_DEVICE_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "health/system_files.h"

namespace shoal::health {

// A limit of a cgroup that holds for this process.
struct MemoryLimit {
  std::string path;
  uint64_t bytes = 0;
};

struct MemoryFacts {
  uint64_t machine_bytes = 0;
  uint64_t available_bytes = 0;      // of the machine and within the limits
  uint64_t own_bytes = 0;            // resident in this process
  std::optional<MemoryLimit> limit;  // the smallest below machine_bytes
};

struct CpuQuota {
  std::string path;
  double cores = 0;  // worth of time
};

struct CpuFacts {
  uint32_t cores = 0;             // of the machine
  std::optional<CpuQuota> quota;  // the smallest
  // The largest clock that the system allows now over that of the hardware, of
  // the core where it is smallest.
  std::optional<double> clock_share;
};

struct HeatFacts {
  std::string hottest;  // name of the zone; empty: none tells
  double celsius = 0;
  // From where on the system slows the device down; nothing: it does not say.
  std::optional<double> slows_at_celsius;
  // Names of cooling devices of the processor that are at work.
  std::vector<std::string> slowed_by;
  // The firmware's flags of a Raspberry Pi.
  std::optional<uint32_t> pi_throttled;
};

struct BatteryFacts {
  std::string name;
  uint32_t percent = 0;
  bool discharges = false;
};

// A network interface that is up, other than the loopback.
struct InterfaceFacts {
  std::string name;
  bool is_wifi = false;
  bool is_default = false;  // of the default route
  std::optional<uint32_t> megabits;
  std::optional<int> signal_dbm;  // of Wi-Fi
};

// Somebody whose request for a connection came here, and to whom our answer
// did not come, or who does not answer it.
struct HalfOpen {
  std::string peer;   // address
  uint32_t port = 0;  // ours
  bool operator==(const HalfOpen&) const = default;
};

struct DiskFacts {
  std::string folder;
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
  bool is_read_only = false;
  absl::Status status;  // why nothing is known of it
  // Reads as of weights; measured by the caller.
  std::optional<double> bytes_per_second;
  absl::Status rate_status;  // why it was not measured
};

struct DeviceFacts {
  MemoryFacts memory;
  absl::Status memory_status;  // why nothing is known of it
  CpuFacts cpu;
  HeatFacts heat;
  std::optional<BatteryFacts> battery;  // the emptiest
  std::vector<InterfaceFacts> interfaces;
  std::vector<HalfOpen> half_open;
  DiskFacts disk;
};

// Reads all but the rate of the disk. `store_folder` need not exist: its
// nearest parent that does is looked at. `root` replaces "/" for /proc and
// /sys alone.
DeviceFacts ReadDeviceFacts(const std::string& root,
                            const std::string& store_folder);

// Parts of it. Threads: thread-safe.
MemoryFacts ReadMemory(const std::string& root, absl::Status& status);
CpuFacts ReadCpu(const SystemFiles& files);
HeatFacts ReadHeat(const SystemFiles& files);
std::optional<BatteryFacts> ReadBattery(const SystemFiles& files);
std::vector<InterfaceFacts> ReadInterfaces(const SystemFiles& files);
// Those of this moment: a connection that is just being made is among them. So
// look again after a time longer than any round trip, and take those that are
// there still.
std::vector<HalfOpen> ReadHalfOpen(const SystemFiles& files);
std::vector<HalfOpen> StillHalfOpen(const std::vector<HalfOpen>& before,
                                    const std::vector<HalfOpen>& now);
DiskFacts ReadDisk(const std::string& folder);

}  // namespace shoal::health

#endif  // SHOAL_HEALTH_DEVICE_FACTS_H_

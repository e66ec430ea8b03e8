// What this process uses and what the machine would still give it.

#ifndef SHOAL_MEMORY_PROCESS_MEMORY_H_
#define SHOAL_MEMORY_PROCESS_MEMORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::memory {

struct ProcessMemory {
  uint64_t rss_bytes = 0;       // VmRSS, now
  uint64_t peak_rss_bytes = 0;  // VmHWM, since the process began
};

// `root` replaces "/" in tests.
// Errors: kUnavailable  /proc/self/status cannot be read or lacks a field
absl::StatusOr<ProcessMemory> ReadProcessMemory(const std::string& root = "/");

struct MachineMemory {
  uint64_t total_bytes = 0;      // of the machine, or the limit if smaller
  uint64_t available_bytes = 0;  // without swapping
  std::string limited_by;        // "machine" or the path of the cgroup's limit
};

// The smaller of MemAvailable and what the limits of this process's cgroup (v1
// or v2) and its parents leave. Page cache of the group counts as available.
// Errors: kUnavailable  /proc/meminfo cannot be read or lacks a field
absl::StatusOr<MachineMemory> ReadMachineMemory(const std::string& root = "/");

// The machine, or a limit that holds for this process.
struct MemoryLevel {
  std::string name;  // "machine" or the path of the cgroup's limit
  uint64_t total_bytes = 0;
  // Without swapping; of a group's page cache only what was not used lately.
  uint64_t available_bytes = 0;
  uint64_t reclaimable_bytes = 0;  // the same, with all of its page cache
  uint64_t excess_bytes = 0;       // beyond the limit even without that
};

// The machine first, then what limits the process's cgroup (v1 or v2) and its
// parents to less than the machine has. About ten short reads, and three more
// for each limit.
// Errors: as ReadMachineMemory()
absl::StatusOr<std::vector<MemoryLevel>> ReadMemoryLevels(
    const std::string& root_folder = "/");

// For how long processes (of this cgroup, if the system says) had to wait for
// memory since the system started; nothing where it does not tell (PSI).
std::optional<absl::Duration> ReadMemoryStall(const std::string& root = "/");

}  // namespace shoal::memory

#endif  // SHOAL_MEMORY_PROCESS_MEMORY_H_

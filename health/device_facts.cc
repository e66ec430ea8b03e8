#include "health/device_facts.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "memory/process_memory.h"

namespace shoal::health {
MemoryFacts ReadMemory(const std::string& root, absl::Status& status) {
  MemoryFacts facts;
  const auto levels = memory::ReadMemoryLevels(root);
  const auto own = memory::ReadProcessMemory(root);
  status.Update(levels.status());
  if (own.ok()) facts.own_bytes = own->rss_bytes;
  if (!levels.ok()) return facts;
  facts.machine_bytes = (*levels)[0].total_bytes;
  facts.available_bytes = (*levels)[0].available_bytes;
  for (size_t i = 1; i < levels->size(); ++i) {
    const memory::MemoryLevel& level = (*levels)[i];
    facts.available_bytes =
        std::min(facts.available_bytes, level.available_bytes);
    if (level.total_bytes >= facts.machine_bytes) continue;
    if (facts.limit && facts.limit->bytes <= level.total_bytes) continue;
    facts.limit = {level.name, level.total_bytes};
  }
  return facts;
}

DiskFacts ReadDisk(const std::string& folder) {
  DiskFacts facts;
  facts.folder = folder;
  std::error_code error;
  std::filesystem::path there = std::filesystem::absolute(folder, error);
  while (!std::filesystem::exists(there, error) && there.has_relative_path()) {
    there = there.parent_path();
  }
  struct statvfs info = {};
  if (statvfs(there.c_str(), &info) != 0) {
    facts.status = absl::UnavailableError(
        absl::StrCat(there.string(), ": ", std::strerror(errno)));
    return facts;
  }
  facts.free_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  facts.total_bytes = uint64_t{info.f_blocks} * info.f_frsize;
  facts.is_read_only = (info.f_flag & ST_RDONLY) != 0;
  return facts;
}

std::vector<HalfOpen> StillHalfOpen(const std::vector<HalfOpen>& before,
                                    const std::vector<HalfOpen>& now) {
  std::vector<HalfOpen> still;
  for (const HalfOpen& one : now) {
    if (std::find(before.begin(), before.end(), one) != before.end() &&
        std::find(still.begin(), still.end(), one) == still.end()) {
      still.push_back(one);
    }
  }
  return still;
}

DeviceFacts ReadDeviceFacts(const std::string& root,
                            const std::string& store_folder) {
  const SystemFiles files(root);
  DeviceFacts facts;
  facts.memory = ReadMemory(root, facts.memory_status);
  facts.cpu = ReadCpu(files);
  facts.heat = ReadHeat(files);
  facts.battery = ReadBattery(files);
  facts.interfaces = ReadInterfaces(files);
  facts.disk = ReadDisk(store_folder);
  facts.half_open = ReadHalfOpen(files);
  return facts;
}

}  // namespace shoal::health

#include "memory/process_memory.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/byte_size.h"
#include "base/status_macros.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

std::optional<std::string> ReadText(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The value of a line "Name:   123 kB".
absl::StatusOr<uint64_t> FieldBytes(const std::string& path,
                                    const std::string& text,
                                    absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, absl::StrCat(name, ":"))) continue;
    absl::ConsumeSuffix(&line, "kB");
    uint64_t kib = 0;
    if (!absl::SimpleAtoi(line, &kib) || kib > kNoLimit / base::kKiB) break;
    return kib * base::kKiB;
  }
  return absl::UnavailableError(
      absl::StrCat(path, " has no valid line \"", name, "\""));
}

absl::StatusOr<std::string> ReadProc(const std::string& path) {
  std::optional<std::string> text = ReadText(path);
  if (text.has_value()) return *std::move(text);
  return absl::UnavailableError(absl::StrCat("cannot read ", path));
}

std::optional<uint64_t> ReadNumber(const std::string& path) {
  const std::optional<std::string> text = ReadText(path);
  uint64_t value = 0;
  // "max" (no limit) is no number.
  if (!text.has_value() || !absl::SimpleAtoi(*text, &value)) {
    return std::nullopt;
  }
  return value;
}

// Where a version of the cgroup interface keeps what we need.
struct CgroupFiles {
  std::string mount;
  // The hard limit and, where there is one, the limit from which on the system
  // slows a group down.
  std::vector<absl::string_view> limits;
  absl::string_view usage;
  // In memory.stat: page cache that nobody used lately, and the rest of it.
  absl::string_view inactive_field;
  absl::string_view active_field;
};

uint64_t StatBytes(const std::string& text, absl::string_view field) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    uint64_t value = 0;
    if (absl::ConsumePrefix(&line, absl::StrCat(field, " ")) &&
        absl::SimpleAtoi(line, &value)) {
      return value;
    }
  }
  return 0;
}

// Adds what limits `group` and its parents. In a container the path seen from
// outside may not exist inside; its parents then do.
// REQUIRES: the machine is the first level.
void AddCgroups(const CgroupFiles& files, std::string group,
                std::vector<MemoryLevel>& levels) {
  const uint64_t machine_bytes = levels[0].total_bytes;
  while (true) {
    const std::string folder = absl::StrCat(files.mount, group);
    for (const absl::string_view name : files.limits) {
      MemoryLevel level;
      level.name = absl::StrCat(folder, "/", name);
      const std::optional<uint64_t> limit = ReadNumber(level.name);
      // The machine is short before such a limit binds; v1 writes one of eight
      // exbibytes where there is none.
      if (!limit.has_value() || *limit >= machine_bytes) continue;
      const uint64_t usage =
          ReadNumber(absl::StrCat(folder, "/", files.usage)).value_or(0);
      const std::string stat =
          ReadText(absl::StrCat(folder, "/memory.stat")).value_or("");
      const uint64_t inactive =
          std::min(usage, StatBytes(stat, files.inactive_field));
      const uint64_t active =
          std::min(usage - inactive, StatBytes(stat, files.active_field));
      const auto left = [&](uint64_t held) {
        return *limit > held ? *limit - held : 0;
      };
      level.total_bytes = *limit;
      level.available_bytes = left(usage - inactive);
      const uint64_t kept = usage - inactive - active;
      level.reclaimable_bytes = left(kept);
      level.excess_bytes = kept > *limit ? kept - *limit : 0;
      levels.push_back(std::move(level));
    }
    const size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return;
    group.resize(slash);
  }
}

struct CgroupPlace {
  std::string group;  // without a slash at the end
  bool unified = false;
};

// Of this process; lines "hierarchy:controllers:path". v2 is hierarchy 0 and
// names no controllers.
std::vector<CgroupPlace> CgroupPlaces(const std::string& root) {
  std::vector<CgroupPlace> places;
  const std::string groups =
      ReadText(absl::StrCat(root, "/proc/self/cgroup")).value_or("");
  for (const absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<absl::string_view> controllers =
        absl::StrSplit(parts[1], ',');
    const bool unified = parts[1].empty();
    if (unified || std::find(controllers.begin(), controllers.end(),
                             "memory") != controllers.end()) {
      places.push_back(
          {std::string(absl::StripSuffix(parts[2], "/")), unified});
    }
  }
  return places;
}

}  // namespace

absl::StatusOr<ProcessMemory> ReadProcessMemory(const std::string& root) {
  const std::string path = absl::StrCat(root, "/proc/self/status");
  SHOAL_ASSIGN_OR_RETURN(const std::string text, ReadProc(path));
  ProcessMemory memory;
  SHOAL_ASSIGN_OR_RETURN(memory.rss_bytes, FieldBytes(path, text, "VmRSS"));
  SHOAL_ASSIGN_OR_RETURN(memory.peak_rss_bytes,
                         FieldBytes(path, text, "VmHWM"));
  return memory;
}

absl::StatusOr<std::vector<MemoryLevel>> ReadMemoryLevels(
    const std::string& root_folder) {
  const std::string root(absl::StripSuffix(root_folder, "/"));
  const std::string path = absl::StrCat(root, "/proc/meminfo");
  SHOAL_ASSIGN_OR_RETURN(const std::string text, ReadProc(path));
  MemoryLevel machine;
  machine.name = "machine";
  SHOAL_ASSIGN_OR_RETURN(machine.total_bytes,
                         FieldBytes(path, text, "MemTotal"));
  SHOAL_ASSIGN_OR_RETURN(machine.available_bytes,
                         FieldBytes(path, text, "MemAvailable"));
  machine.reclaimable_bytes = machine.available_bytes;
  std::vector<MemoryLevel> levels = {machine};

  const CgroupFiles v1 = {.mount = absl::StrCat(root, "/sys/fs/cgroup/memory"),
                          .limits = {"memory.limit_in_bytes"},
                          .usage = "memory.usage_in_bytes",
                          .inactive_field = "total_inactive_file",
                          .active_field = "total_active_file"};
  CgroupFiles v2 = {.mount = absl::StrCat(root, "/sys/fs/cgroup"),
                    .limits = {"memory.max", "memory.high"},
                    .usage = "memory.current",
                    .inactive_field = "inactive_file",
                    .active_field = "active_file"};
  for (const CgroupPlace& place : CgroupPlaces(root)) {
    if (!place.unified) {
      AddCgroups(v1, place.group, levels);
      continue;
    }
    AddCgroups(v2, place.group, levels);
    v2.mount = absl::StrCat(root, "/sys/fs/cgroup/unified");
    AddCgroups(v2, place.group, levels);
  }
  return levels;
}

absl::StatusOr<MachineMemory> ReadMachineMemory(const std::string& root) {
  SHOAL_ASSIGN_OR_RETURN(const std::vector<MemoryLevel> levels,
                         ReadMemoryLevels(root));
  MachineMemory memory;
  memory.total_bytes = memory.available_bytes = kNoLimit;
  for (const MemoryLevel& level : levels) {
    memory.total_bytes = std::min(memory.total_bytes, level.total_bytes);
    if (level.available_bytes < memory.available_bytes) {
      memory.available_bytes = level.available_bytes;
      memory.limited_by = level.name;
    }
  }
  return memory;
}

std::optional<absl::Duration> ReadMemoryStall(const std::string& root) {
  std::vector<std::string> paths;
  for (const CgroupPlace& place : CgroupPlaces(root)) {
    if (!place.unified) continue;
    paths.push_back(
        absl::StrCat(root, "/sys/fs/cgroup", place.group, "/memory.pressure"));
  }
  paths.push_back(absl::StrCat(root, "/proc/pressure/memory"));
  for (const std::string& path : paths) {
    const std::string text = ReadText(path).value_or("");
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      const size_t total = line.rfind("total=");
      uint64_t microseconds = 0;
      if (absl::StartsWith(line, "some ") && total != absl::string_view::npos &&
          absl::SimpleAtoi(line.substr(total + 6), &microseconds)) {
        return absl::Microseconds(microseconds);
      }
    }
  }
  return std::nullopt;
}

}  // namespace shoal::memory

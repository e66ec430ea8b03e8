#include "memory/process_memory.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
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
  absl::string_view limit;
  absl::string_view usage;
  absl::string_view cache_field;  // in memory.stat
};

uint64_t CacheBytes(const std::string& folder, absl::string_view field) {
  const std::optional<std::string> text =
      ReadText(absl::StrCat(folder, "/memory.stat"));
  if (!text.has_value()) return 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    uint64_t value = 0;
    if (absl::ConsumePrefix(&line, absl::StrCat(field, " ")) &&
        absl::SimpleAtoi(line, &value)) {
      return value;
    }
  }
  return 0;
}

// Lowers `memory` to what `group` and its parents allow. In a container the
// path seen from outside may not exist inside; its parents then do.
void ApplyCgroup(const CgroupFiles& files, std::string group,
                 MachineMemory& memory) {
  while (true) {
    const std::string folder = absl::StrCat(files.mount, group);
    const std::string limit_path = absl::StrCat(folder, "/", files.limit);
    const std::optional<uint64_t> limit = ReadNumber(limit_path);
    if (limit.has_value()) {
      memory.total_bytes = std::min(memory.total_bytes, *limit);
      const uint64_t usage =
          ReadNumber(absl::StrCat(folder, "/", files.usage)).value_or(0);
      const uint64_t cache =
          std::min(usage, CacheBytes(folder, files.cache_field));
      const uint64_t held = usage - cache;
      const uint64_t left = *limit > held ? *limit - held : 0;
      if (left < memory.available_bytes) {
        memory.available_bytes = left;
        memory.limited_by = limit_path;
      }
    }
    const size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return;
    group.resize(slash);
  }
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

absl::StatusOr<MachineMemory> ReadMachineMemory(const std::string& root) {
  const std::string path = absl::StrCat(root, "/proc/meminfo");
  SHOAL_ASSIGN_OR_RETURN(const std::string text, ReadProc(path));
  MachineMemory memory;
  memory.limited_by = "machine";
  SHOAL_ASSIGN_OR_RETURN(memory.total_bytes,
                         FieldBytes(path, text, "MemTotal"));
  SHOAL_ASSIGN_OR_RETURN(memory.available_bytes,
                         FieldBytes(path, text, "MemAvailable"));

  const CgroupFiles v1 = {.mount = absl::StrCat(root, "/sys/fs/cgroup/memory"),
                          .limit = "memory.limit_in_bytes",
                          .usage = "memory.usage_in_bytes",
                          .cache_field = "total_inactive_file"};
  CgroupFiles v2 = {.mount = absl::StrCat(root, "/sys/fs/cgroup"),
                    .limit = "memory.max",
                    .usage = "memory.current",
                    .cache_field = "inactive_file"};
  const std::string groups =
      ReadText(absl::StrCat(root, "/proc/self/cgroup")).value_or("");
  // Lines "hierarchy:controllers:path"; v2 is hierarchy 0, no controllers.
  for (const absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    std::string group(absl::StripSuffix(parts[2], "/"));
    const std::vector<absl::string_view> controllers =
        absl::StrSplit(parts[1], ',');
    if (parts[1].empty()) {
      ApplyCgroup(v2, group, memory);
      v2.mount = absl::StrCat(root, "/sys/fs/cgroup/unified");
      ApplyCgroup(v2, group, memory);
    } else if (std::find(controllers.begin(), controllers.end(), "memory") !=
               controllers.end()) {
      ApplyCgroup(v1, std::move(group), memory);
    }
  }
  return memory;
}

}  // namespace shoal::memory

// Cores, and what the system gives of them.

#include <algorithm>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "health/device_facts.h"

namespace shoal::health {
namespace {

// Quota over period, of cgroup v2 ("max 100000", "50000 100000").
std::optional<double> CoresOfCpuMax(const std::string& text) {
  const std::vector<std::string> words =
      absl::StrSplit(text, ' ', absl::SkipEmpty());
  double quota = 0;
  double period = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &quota) ||
      !absl::SimpleAtod(words[1], &period) || period <= 0) {
    return std::nullopt;
  }
  return quota / period;
}

void Take(std::optional<CpuQuota>& smallest, const std::string& path,
          std::optional<double> cores) {
  if (!cores || *cores <= 0) return;
  if (!smallest || *cores < smallest->cores) smallest = {path, *cores};
}

// The group and its parents; seen from within a container the group's own path
// may not exist, and its parents then do.
void TakeGroups(const SystemFiles& files, const std::string& mount,
                std::string group, std::optional<CpuQuota>& smallest) {
  while (true) {
    const std::string folder = absl::StrCat(mount, group);
    const std::string unified = absl::StrCat(folder, "/cpu.max");
    Take(smallest, unified, CoresOfCpuMax(files.Text(unified).value_or("")));
    const std::string path = absl::StrCat(folder, "/cpu.cfs_quota_us");
    const auto quota = files.Number(path);
    const auto period =
        files.Number(absl::StrCat(folder, "/cpu.cfs_period_us"));
    if (quota && period && *quota > 0 && *period > 0) {
      Take(smallest, path,
           static_cast<double>(*quota) / static_cast<double>(*period));
    }
    const size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return;
    group.resize(slash);
  }
}

std::optional<CpuQuota> ReadQuota(const SystemFiles& files) {
  std::optional<CpuQuota> smallest;
  const std::string groups = files.Text("/proc/self/cgroup").value_or("");
  for (const absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::string group(absl::StripSuffix(parts[2], "/"));
    if (parts[1].empty()) {
      TakeGroups(files, "/sys/fs/cgroup", group, smallest);
      TakeGroups(files, "/sys/fs/cgroup/unified", group, smallest);
      continue;
    }
    for (const absl::string_view name : absl::StrSplit(parts[1], ',')) {
      if (name != "cpu") continue;
      TakeGroups(files, "/sys/fs/cgroup/cpu", group, smallest);
      TakeGroups(files, "/sys/fs/cgroup/cpu,cpuacct", group, smallest);
    }
  }
  return smallest;
}

}  // namespace

CpuFacts ReadCpu(const SystemFiles& files) {
  constexpr char kFolder[] = "/sys/devices/system/cpu";
  CpuFacts facts;
  for (const std::string& name : files.List(kFolder)) {
    absl::string_view number = name;
    uint32_t core = 0;
    if (!absl::ConsumePrefix(&number, "cpu") ||
        !absl::SimpleAtoi(number, &core)) {
      continue;
    }
    // Core 0 often cannot be switched off, and then has no such file.
    const std::string folder = absl::StrCat(kFolder, "/", name);
    if (files.Number(absl::StrCat(folder, "/online")) == 0) continue;
    ++facts.cores;
    const auto allowed =
        files.Number(absl::StrCat(folder, "/cpufreq/scaling_max_freq"));
    const auto hardware =
        files.Number(absl::StrCat(folder, "/cpufreq/cpuinfo_max_freq"));
    if (!allowed || !hardware || *hardware <= 0) continue;
    const double share =
        static_cast<double>(*allowed) / static_cast<double>(*hardware);
    facts.clock_share = std::min(facts.clock_share.value_or(share), share);
  }
  if (facts.cores == 0) facts.cores = std::thread::hardware_concurrency();
  facts.quota = ReadQuota(files);
  return facts;
}

}  // namespace shoal::health

#include "coordinator/known_rates.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/log.h"

namespace shoal::coordinator {
namespace {

constexpr size_t kDeviceCountMax = 1024;

// Lines of a rate, a space and a name, which may hold spaces itself.
std::map<std::string, double> ReadRates(const std::string& path) {
  std::map<std::string, double> rates;
  std::ifstream file(path);
  for (std::string line;
       rates.size() < kDeviceCountMax && std::getline(file, line);) {
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    double rate = 0;
    if (parts.size() == 2 && absl::SimpleAtod(parts[0], &rate) && rate > 0) {
      rates[parts[1]] = rate;
    }
  }
  return rates;
}

// The old file stays if the new one cannot be written.
void WriteRates(const std::string& directory, const std::string& path,
                const std::map<std::string, double>& rates) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const std::string fresh = absl::StrCat(path, ".new");
  std::ofstream file(fresh, std::ios::trunc);
  for (const auto& [name, rate] : rates) {
    file << absl::StrCat(rate, " ", name, "\n");
  }
  file.close();
  if (!file || std::rename(fresh.c_str(), path.c_str()) != 0) {
    SHOAL_LOG(kInfo, path, ": rates of devices cannot be kept");
  }
}

}  // namespace

void KeepKnownRates(const std::string& directory,
                    std::span<parallel::DeviceProfile> devices) {
  if (directory.empty()) return;
  const std::string path = absl::StrCat(directory, "/rates");
  std::map<std::string, double> rates = ReadRates(path);
  bool changed = false;
  for (parallel::DeviceProfile& device : devices) {
    const auto known = rates.find(device.name);
    const double measured = device.work_macs_per_second;
    if (known != rates.end() && measured <= known->second * kRateChangeMin &&
        measured >= known->second / kRateChangeMin) {
      device.work_macs_per_second = known->second;
      continue;
    }
    if (known == rates.end() && rates.size() >= kDeviceCountMax) continue;
    rates[device.name] = measured;
    changed = true;
  }
  if (changed) WriteRates(directory, path, rates);
}

}  // namespace shoal::coordinator

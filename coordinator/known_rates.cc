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

struct KnownRate {
  double rate = 0;
  double doubt = 0;  // what the last start measured, too far from it; or 0
};

bool IsNear(double a, double b) {
  return a <= b * kRateChangeMin && a >= b / kRateChangeMin;
}

// Lines of a rate, a space and a name, which may hold spaces itself. A doubt
// follows the rate after a slash.
std::map<std::string, KnownRate> ReadRates(const std::string& path) {
  std::map<std::string, KnownRate> rates;
  std::ifstream file(path);
  for (std::string line;
       rates.size() < kDeviceCountMax && std::getline(file, line);) {
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    if (parts.size() != 2) continue;
    const std::vector<std::string> numbers =
        absl::StrSplit(parts[0], absl::MaxSplits('/', 1));
    KnownRate known;
    if (!absl::SimpleAtod(numbers[0], &known.rate) || !(known.rate > 0))
      continue;
    if (numbers.size() > 1 &&
        (!absl::SimpleAtod(numbers[1], &known.doubt) || !(known.doubt > 0))) {
      continue;
    }
    rates[parts[1]] = known;
  }
  return rates;
}

// The old file stays if the new one cannot be written.
void WriteRates(const std::string& directory, const std::string& path,
                const std::map<std::string, KnownRate>& rates) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const std::string fresh = absl::StrCat(path, ".new");
  std::ofstream file(fresh, std::ios::trunc);
  for (const auto& [name, known] : rates) {
    file << known.rate;
    if (known.doubt > 0) file << "/" << known.doubt;
    file << " " << name << "\n";
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
  std::map<std::string, KnownRate> rates = ReadRates(path);
  bool changed = false;
  for (parallel::DeviceProfile& device : devices) {
    const double measured = device.work_macs_per_second;
    const auto found = rates.find(device.name);
    if (found == rates.end()) {
      if (rates.size() >= kDeviceCountMax) continue;
      rates[device.name].rate = measured;
      changed = true;
      continue;
    }
    KnownRate& known = found->second;
    const KnownRate before = known;
    if (IsNear(measured, known.rate)) {
      known.doubt = 0;
    } else if (known.doubt > 0 && IsNear(measured, known.doubt)) {
      known = {measured, 0};
    } else {
      known.doubt = measured;
    }
    device.work_macs_per_second = known.rate;
    changed |= known.rate != before.rate || known.doubt != before.doubt;
  }
  if (changed) WriteRates(directory, path, rates);
}

}  // namespace shoal::coordinator

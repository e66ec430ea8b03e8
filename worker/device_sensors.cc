#include "worker/device_sensors.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace shoal::worker {
namespace {

// Clocks of so many cores are looked at; more say no more.
constexpr size_t kClockCountMax = 16;
// Sensors that are broken or not for heat show what no chip survives.
constexpr double kTemperatureMin = -50;
constexpr double kTemperatureMax = 150;

// The first word; empty if there is none.
std::string WordIn(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

std::optional<double> NumberIn(const std::string& path) {
  double number = 0;
  if (!absl::SimpleAtod(WordIn(path), &number) || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

// Entries of `folder` whose name begins so, by name.
std::vector<std::string> EntriesOf(const std::string& folder,
                                   absl::string_view prefix) {
  std::vector<std::string> entries;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    if (absl::StartsWith(entry->path().filename().string(), prefix)) {
      entries.push_back(entry->path().string());
    }
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// The largest of those that can be read.
std::optional<double> LargestIn(const std::vector<std::string>& paths) {
  std::optional<double> largest;
  for (const std::string& path : paths) {
    const std::optional<double> number = NumberIn(path);
    if (number && (!largest || *number > *largest)) largest = number;
  }
  return largest;
}

std::optional<double> KilohertzToMegahertz(std::optional<double> kilohertz) {
  if (!kilohertz || *kilohertz <= 0) return std::nullopt;
  return *kilohertz / 1000;
}

}  // namespace

DeviceSensors::DeviceSensors(std::string root, base::Clock* clock)
    : root_(absl::EndsWith(root, "/") ? std::move(root)
                                      : absl::StrCat(root, "/")),
      clock_(clock == nullptr ? base::Clock::Real() : *clock) {}

parallel::DeviceHealth DeviceSensors::Sample() {
  const absl::Time now = clock_.Now();
  base::MutexLock lock(mutex_);
  if (sampled_ == absl::InfinitePast()) FindFiles();
  if (now - sampled_ < kInterval) return last_;
  sampled_ = now;
  last_ = Read();
  return last_;
}

void DeviceSensors::FindFiles() {
  const auto cores = EntriesOf(
      absl::StrCat(root_, "sys/devices/system/cpu/cpufreq"), "policy");
  for (const std::string& core : cores) {
    if (clocks_.size() == kClockCountMax) break;
    clocks_.push_back(absl::StrCat(core, "/scaling_cur_freq"));
    clock_limits_.push_back(absl::StrCat(core, "/cpuinfo_max_freq"));
  }
  for (const std::string& zone :
       EntriesOf(absl::StrCat(root_, "sys/class/thermal"), "thermal_zone")) {
    temperatures_.push_back(absl::StrCat(zone, "/temp"));
  }
  for (const std::string& supply :
       EntriesOf(absl::StrCat(root_, "sys/class/power_supply"), "")) {
    if (WordIn(absl::StrCat(supply, "/type")) != "Battery") continue;
    // Not that of a mouse.
    if (WordIn(absl::StrCat(supply, "/scope")) == "Device") continue;
    battery_ = supply;
    break;
  }
}

parallel::DeviceHealth DeviceSensors::Read() const {
  parallel::DeviceHealth health;
  health.core_count = std::thread::hardware_concurrency();
  health.load = NumberIn(absl::StrCat(root_, "proc/loadavg"));
  health.clock_mhz = KilohertzToMegahertz(LargestIn(clocks_));
  health.clock_max_mhz = KilohertzToMegahertz(LargestIn(clock_limits_));
  for (const std::string& path : temperatures_) {
    const std::optional<double> thousandths = NumberIn(path);
    if (!thousandths) continue;
    const double degrees = *thousandths / 1000;
    if (degrees < kTemperatureMin || degrees > kTemperatureMax) continue;
    if (!health.temperature_c || degrees > *health.temperature_c) {
      health.temperature_c = degrees;
    }
  }
  if (battery_.empty()) return health;
  const std::optional<double> percent =
      NumberIn(absl::StrCat(battery_, "/capacity"));
  if (percent && *percent >= 0 && *percent <= 100) {
    health.battery_percent = percent;
  }
  const std::string state = WordIn(absl::StrCat(battery_, "/status"));
  if (!state.empty() && state != "Unknown") {
    health.battery_discharging = state == "Discharging";
  }
  return health;
}

}  // namespace shoal::worker

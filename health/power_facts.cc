// Heat and batteries.

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "health/device_facts.h"

namespace shoal::health {
namespace {

constexpr char kThermal[] = "/sys/class/thermal";
constexpr double kMilli = 1e-3;
// Zones report nonsense where there is no sensor.
constexpr double kCelsiusMin = -60;
constexpr double kCelsiusMax = 200;

// The lowest trip point from which on the system slows the device down or stops
// it.
std::optional<double> SlowsAt(const SystemFiles& files,
                              const std::string& zone) {
  constexpr int kTripCountMax = 16;
  std::optional<double> lowest;
  for (int i = 0; i < kTripCountMax; ++i) {
    const std::string trip = absl::StrCat(zone, "/trip_point_", i);
    const auto type = files.Text(absl::StrCat(trip, "_type"));
    const auto value = files.Number(absl::StrCat(trip, "_temp"));
    if (!type) break;
    const bool slows =
        *type == "passive" || *type == "hot" || *type == "critical";
    if (!slows || !value || *value <= 0) continue;
    const double celsius = static_cast<double>(*value) * kMilli;
    lowest = std::min(lowest.value_or(celsius), celsius);
  }
  return lowest;
}

// Of the processor: "Processor", "cpufreq-cpu0", "thermal-cpufreq-0".
bool SlowsProcessor(const std::string& type) {
  return type == "Processor" || absl::StrContains(type, "cpufreq");
}

}  // namespace

HeatFacts ReadHeat(const SystemFiles& files) {
  HeatFacts facts;
  // By how far each is from where it slows down.
  double least_room = 1e9;
  for (const std::string& name : files.List(kThermal)) {
    const std::string folder = absl::StrCat(kThermal, "/", name);
    const std::string type =
        files.Text(absl::StrCat(folder, "/type")).value_or(name);
    if (absl::StartsWith(name, "cooling_device")) {
      const auto state = files.Number(absl::StrCat(folder, "/cur_state"));
      if (state && *state > 0 && SlowsProcessor(type)) {
        facts.slowed_by.push_back(absl::StrCat(type, " (", name, ")"));
      }
      continue;
    }
    const auto value = files.Number(absl::StrCat(folder, "/temp"));
    if (!absl::StartsWith(name, "thermal_zone") || !value) continue;
    const double celsius = static_cast<double>(*value) * kMilli;
    if (celsius < kCelsiusMin || celsius > kCelsiusMax) continue;
    constexpr double kUsual = 85;
    const std::optional<double> slows_at = SlowsAt(files, folder);
    const double room = slows_at.value_or(kUsual) - celsius;
    if (room >= least_room) continue;
    least_room = room;
    facts.hottest = type;
    facts.celsius = celsius;
    facts.slows_at_celsius = slows_at;
  }
  const auto pi =
      files.Text("/sys/devices/platform/soc/soc:firmware/get_throttled");
  uint32_t flags = 0;
  if (pi && absl::SimpleHexAtoi(*pi, &flags)) facts.pi_throttled = flags;
  return facts;
}

std::optional<BatteryFacts> ReadBattery(const SystemFiles& files) {
  constexpr char kFolder[] = "/sys/class/power_supply";
  std::optional<BatteryFacts> emptiest;
  for (const std::string& name : files.List(kFolder)) {
    const std::string folder = absl::StrCat(kFolder, "/", name);
    // That of a mouse says "Device".
    if (files.Text(absl::StrCat(folder, "/type")) != "Battery" ||
        files.Text(absl::StrCat(folder, "/scope")) == "Device") {
      continue;
    }
    const auto percent = files.Number(absl::StrCat(folder, "/capacity"));
    if (!percent || *percent < 0 || *percent > 100) continue;
    const BatteryFacts battery = {
        name, static_cast<uint32_t>(*percent),
        files.Text(absl::StrCat(folder, "/status")) == "Discharging"};
    if (!emptiest || battery.percent < emptiest->percent) emptiest = battery;
  }
  return emptiest;
}

}  // namespace shoal::health

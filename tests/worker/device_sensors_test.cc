// What a machine tells of its heat and power, from a made-up /proc and /sys.

#include "worker/device_sensors.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/testing/simulated_clock.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::worker {
namespace {

class DeviceSensorsTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = folder_.File(path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  parallel::DeviceHealth Sample() { return sensors_.Sample(); }

  testing::TemporaryFolder folder_;
  testing::SimulatedClock clock_{1};
  DeviceSensors sensors_{folder_.path(), &clock_};
};

TEST_F(DeviceSensorsTest, TellsTheFastestClockAndTheHottestSensor) {
  Write("proc/loadavg", "1.25 0.90 0.70 2/345 6789\n");
  Write("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "600000\n");
  Write("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1500000\n");
  Write("sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq", "900000\n");
  Write("sys/devices/system/cpu/cpufreq/policy4/cpuinfo_max_freq", "2400000\n");
  Write("sys/class/thermal/thermal_zone0/temp", "48312\n");
  Write("sys/class/thermal/thermal_zone1/temp", "81500\n");
  Write("sys/class/thermal/cooling_device0/temp", "99000\n");
  const parallel::DeviceHealth health = Sample();
  EXPECT_EQ(health.load, 1.25);
  EXPECT_EQ(health.clock_mhz, 900);
  EXPECT_EQ(health.clock_max_mhz, 2400);
  EXPECT_EQ(health.temperature_c, 81.5);
  EXPECT_FALSE(health.battery_percent.has_value());
}

TEST_F(DeviceSensorsTest, TellsTheBatteryOfTheDeviceAndNotThatOfAMouse) {
  Write("sys/class/power_supply/AC/type", "Mains\n");
  Write("sys/class/power_supply/hid-mouse/type", "Battery\n");
  Write("sys/class/power_supply/hid-mouse/scope", "Device\n");
  Write("sys/class/power_supply/hid-mouse/capacity", "12\n");
  Write("sys/class/power_supply/zbat/type", "Battery\n");
  Write("sys/class/power_supply/zbat/capacity", "73\n");
  Write("sys/class/power_supply/zbat/status", "Discharging\n");
  const parallel::DeviceHealth health = Sample();
  EXPECT_EQ(health.battery_percent, 73);
  EXPECT_EQ(health.battery_discharging, true);
}

TEST_F(DeviceSensorsTest, LeavesOutWhatIsMissingOrNoNumber) {
  Write("sys/class/thermal/thermal_zone0/temp", "hot\n");
  Write("sys/class/thermal/thermal_zone1/temp", "-274000\n");
  Write("sys/class/thermal/thermal_zone2/temp", "nan\n");
  Write("sys/class/power_supply/bat/type", "Battery\n");
  Write("sys/class/power_supply/bat/capacity", "250\n");
  Write("sys/class/power_supply/bat/status", "Unknown\n");
  const parallel::DeviceHealth health = Sample();
  EXPECT_FALSE(health.load.has_value());
  EXPECT_FALSE(health.clock_mhz.has_value());
  EXPECT_FALSE(health.temperature_c.has_value());
  EXPECT_FALSE(health.battery_percent.has_value());
  EXPECT_FALSE(health.battery_discharging.has_value());
}

TEST_F(DeviceSensorsTest, ReadsAgainAfterASecondAndNotBefore) {
  Write("sys/class/thermal/thermal_zone0/temp", "40000\n");
  EXPECT_EQ(Sample().temperature_c, 40);
  Write("sys/class/thermal/thermal_zone0/temp", "50000\n");
  clock_.SleepFor(DeviceSensors::kInterval - absl::Milliseconds(1));
  EXPECT_EQ(Sample().temperature_c, 40);
  clock_.SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(Sample().temperature_c, 50);
}

}  // namespace
}  // namespace shoal::worker

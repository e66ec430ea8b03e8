// Copies of what systems tell, and what is read from them.

#include "health/device_facts.h"

#include <filesystem>
#include <fstream>

#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::health {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DeviceFactsTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_.path() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  SystemFiles files() const { return SystemFiles(root_.path()); }

  testing::TemporaryFolder root_;
};

TEST_F(DeviceFactsTest, WhereNothingIsToldNothingIsKnown) {
  const DeviceFacts facts = ReadDeviceFacts(root_.path(), root_.path());
  EXPECT_FALSE(facts.memory_status.ok());
  EXPECT_FALSE(facts.cpu.quota);
  EXPECT_EQ(facts.heat.hottest, "");
  EXPECT_FALSE(facts.battery);
  EXPECT_THAT(facts.interfaces, IsEmpty());
  EXPECT_THAT(facts.half_open, IsEmpty());
}

TEST_F(DeviceFactsTest, TheSmallestLimitOfTheCgroupsIsTaken) {
  Write("/proc/meminfo", "MemTotal: 4194304 kB\nMemAvailable: 2097152 kB\n");
  Write("/proc/self/status", "VmHWM: 2048 kB\nVmRSS: 1024 kB\n");
  Write("/proc/self/cgroup", "0::/user/app\n");
  Write("/sys/fs/cgroup/user/memory.max", "1073741824\n");
  Write("/sys/fs/cgroup/user/memory.current", "1048576\n");
  Write("/sys/fs/cgroup/user/app/memory.max", "max\n");
  absl::Status status;
  const MemoryFacts memory = ReadMemory(root_.path(), status);
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_EQ(memory.machine_bytes, 4 * base::kGiB);
  EXPECT_EQ(memory.own_bytes, base::kMiB);
  EXPECT_EQ(memory.available_bytes, base::kGiB - base::kMiB);
  ASSERT_TRUE(memory.limit);
  EXPECT_EQ(memory.limit->bytes, base::kGiB);
}

TEST_F(DeviceFactsTest, QuotasOfBothKindsOfCgroupsAreRead) {
  Write("/proc/self/cgroup", "4:cpu,cpuacct:/box\n0::/user/app\n");
  Write("/sys/fs/cgroup/user/app/cpu.max", "max 100000\n");
  EXPECT_FALSE(ReadCpu(files()).quota);
  Write("/sys/fs/cgroup/user/cpu.max", "150000 100000\n");
  EXPECT_DOUBLE_EQ(ReadCpu(files()).quota.value().cores, 1.5);
  Write("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "10000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "20000\n");
  EXPECT_DOUBLE_EQ(ReadCpu(files()).quota.value().cores, 0.5);
  Write("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  EXPECT_DOUBLE_EQ(ReadCpu(files()).quota.value().cores, 1.5);
}

TEST_F(DeviceFactsTest, CoresThatAreOffDoNotCountAndTheSlowestClockDoes) {
  const std::string cpu = "/sys/devices/system/cpu/cpu";
  Write(cpu + "0/cpufreq/scaling_max_freq", "1500000");
  Write(cpu + "0/cpufreq/cpuinfo_max_freq", "1500000");
  Write(cpu + "1/cpufreq/scaling_max_freq", "600000");
  Write(cpu + "1/cpufreq/cpuinfo_max_freq", "1500000");
  Write(cpu + "2/online", "0");
  Write(cpu + "freq/policy0/x", "");
  const CpuFacts facts = ReadCpu(files());
  EXPECT_EQ(facts.cores, 2u);
  EXPECT_DOUBLE_EQ(facts.clock_share.value(), 0.4);
}

TEST_F(DeviceFactsTest, TheZoneNearestToItsLimitIsTheHottest) {
  const std::string thermal = "/sys/class/thermal/";
  Write(thermal + "thermal_zone0/type", "disk\n");
  Write(thermal + "thermal_zone0/temp", "70000\n");
  Write(thermal + "thermal_zone1/type", "cpu-thermal\n");
  Write(thermal + "thermal_zone1/temp", "66500\n");
  Write(thermal + "thermal_zone1/trip_point_0_type", "active\n");
  Write(thermal + "thermal_zone1/trip_point_0_temp", "40000\n");
  Write(thermal + "thermal_zone1/trip_point_1_type", "passive\n");
  Write(thermal + "thermal_zone1/trip_point_1_temp", "68000\n");
  Write(thermal + "cooling_device0/type", "Processor\n");
  Write(thermal + "cooling_device0/cur_state", "3\n");
  Write(thermal + "cooling_device1/type", "Fan\n");
  Write(thermal + "cooling_device1/cur_state", "1\n");
  Write("/sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
  const HeatFacts heat = ReadHeat(files());
  EXPECT_EQ(heat.hottest, "cpu-thermal");
  EXPECT_DOUBLE_EQ(heat.celsius, 66.5);
  EXPECT_DOUBLE_EQ(heat.slows_at_celsius.value(), 68);
  EXPECT_THAT(heat.slowed_by, ElementsAre("Processor (cooling_device0)"));
  EXPECT_EQ(heat.pi_throttled, 0x50005u);
}

TEST_F(DeviceFactsTest, TheBatteryOfTheDeviceIsReadAndNotThatOfAMouse) {
  const std::string supply = "/sys/class/power_supply/";
  Write(supply + "AC/type", "Mains\n");
  Write(supply + "mouse/type", "Battery\n");
  Write(supply + "mouse/scope", "Device\n");
  Write(supply + "mouse/capacity", "3\n");
  EXPECT_FALSE(ReadBattery(files()));
  Write(supply + "BAT0/type", "Battery\n");
  Write(supply + "BAT0/capacity", "41\n");
  Write(supply + "BAT0/status", "Discharging\n");
  const BatteryFacts battery = ReadBattery(files()).value();
  EXPECT_EQ(battery.name, "BAT0");
  EXPECT_EQ(battery.percent, 41u);
  EXPECT_TRUE(battery.discharges);
}

TEST_F(DeviceFactsTest, InterfacesThatAreUpAreToldWithTheirKind) {
  const std::string net = "/sys/class/net/";
  Write(net + "lo/type", "772\n");
  Write(net + "lo/operstate", "unknown\n");
  Write(net + "eth0/type", "1\n");
  Write(net + "eth0/operstate", "down\n");
  Write(net + "eth1/type", "1\n");
  Write(net + "eth1/operstate", "up\n");
  Write(net + "eth1/speed", "100\n");
  Write(net + "wlan0/type", "1\n");
  Write(net + "wlan0/operstate", "up\n");
  Write(net + "wlan0/wireless/x", "");
  Write("/proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        "eth1\t0002A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n");
  Write("/proc/net/wireless",
        "Inter-| sta-|   Quality\n face | tus | link level noise\n"
        " wlan0: 0000   54.  -56.  -256        0      0\n");
  const std::vector<InterfaceFacts> found = ReadInterfaces(files());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "eth1");
  EXPECT_EQ(found[0].megabits, 100u);
  EXPECT_FALSE(found[0].is_wifi);
  EXPECT_FALSE(found[0].is_default);
  EXPECT_TRUE(found[1].is_wifi);
  EXPECT_TRUE(found[1].is_default);
  EXPECT_EQ(found[1].signal_dbm, -56);
}

TEST_F(DeviceFactsTest, ConnectionsThatAreHalfOpenAreFoundAmongOthers) {
  Write("/proc/net/tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue\n"
        "   0: 0100000A:1B9E 00000000:0000 0A 00000000:00000000\n"
        "   1: 0100000A:1B9E 0200000A:D431 03 00000000:00000000\n"
        "   2: 0100000A:1B9E 0300000A:D431 01 00000000:00000000\n");
  Write("/proc/net/tcp6",
        "  sl  local_address rem_address st\n"
        "   0: 0000000000000000FFFF00000100000A:1B9E "
        "0000000000000000FFFF00000400000A:D433 03 00000000:00000000\n"
        "   1: nonsense:1 2 03 x\n");
  const std::vector<HalfOpen> found = ReadHalfOpen(files());
  EXPECT_THAT(found, ElementsAre(HalfOpen{"10.0.0.2", 7070},
                                 HalfOpen{"10.0.0.4", 7070}));
  EXPECT_THAT(StillHalfOpen({{"10.0.0.9", 1}, found[0]}, found),
              ElementsAre(found[0]));
}

TEST_F(DeviceFactsTest, TheDiskOfAFolderThatIsStillToBeMadeIsThatOfItsParent) {
  const DiskFacts disk = ReadDisk(root_.path() + "/not/yet");
  EXPECT_EQ(disk.status, absl::OkStatus());
  EXPECT_GT(disk.free_bytes, 0u);
  EXPECT_GE(disk.total_bytes, disk.free_bytes);
  EXPECT_FALSE(disk.is_read_only);
}

}  // namespace
}  // namespace shoal::health

#include "health/checks.h"

#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::health {
namespace {

using base::kGiB;
using base::kMiB;
using ::testing::AllOf;
using ::testing::HasSubstr;

DeviceFacts GoodFacts() {
  DeviceFacts facts;
  facts.memory = {8 * kGiB, 6 * kGiB, 100 * kMiB, std::nullopt};
  facts.cpu.cores = 4;
  facts.interfaces = {{"eth0", false, true, 1000, std::nullopt}};
  facts.disk.folder = "/store";
  facts.disk.free_bytes = 20 * kGiB;
  facts.disk.total_bytes = 100 * kGiB;
  facts.disk.bytes_per_second = 400e6;
  return facts;
}

DeviceDuty Duty() {
  DeviceDuty duty;
  duty.budget_bytes = 2 * kGiB;
  duty.threads = 4;
  duty.isa = "avx2";
  duty.isas = {"avx2", "scalar"};
  duty.disk_bytes_per_second = 400e6;
  return duty;
}

TEST(ChecksTest, ADeviceThatIsWellPassesEveryCheck) {
  const Findings findings = CheckDevice(GoodFacts(), Duty());
  EXPECT_EQ(findings.size(), 10u);
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.severity, Severity::kPass)
        << finding.check << " " << finding.value;
    EXPECT_EQ(finding.fix, "") << finding.check;
  }
}

TEST(ChecksTest, ALimitOfACgroupBelowTheCapFailsAndSaysWhatFits) {
  DeviceFacts facts = GoodFacts();
  facts.memory.limit = {"/sys/fs/cgroup/a/memory.max", kGiB};
  const Finding found = CheckMemoryLimit(facts, Duty());
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_THAT(found.value, HasSubstr("/sys/fs/cgroup/a/memory.max"));
  EXPECT_THAT(found.fix, AllOf(HasSubstr("--memory 819MiB"),
                               HasSubstr("MemoryMax=2560M")));
  facts.memory.limit->bytes = 2 * kGiB;
  EXPECT_EQ(CheckMemoryLimit(facts, Duty()).severity, Severity::kPass);
}

TEST(ChecksTest, OwnMemoryCountsAsAvailableToThisProcessAlone) {
  DeviceFacts facts = GoodFacts();
  DeviceDuty duty = Duty();
  facts.memory.available_bytes = kGiB;
  facts.memory.own_bytes = kGiB;
  EXPECT_EQ(CheckMemory(facts, duty).severity, Severity::kWarn);
  duty.is_this_process = true;
  EXPECT_EQ(CheckMemory(facts, duty).severity, Severity::kPass);
}

TEST(ChecksTest, AQuotaBelowTheThreadsIsFoundAndFailsBelowHalf) {
  DeviceFacts facts = GoodFacts();
  facts.cpu.quota = {"/sys/fs/cgroup/cpu.max", 3};
  Finding found = CheckThreads(facts, Duty());
  EXPECT_EQ(found.severity, Severity::kWarn);
  EXPECT_THAT(found.fix,
              AllOf(HasSubstr("--threads 3"), HasSubstr("CPUQuota=400%")));
  facts.cpu.quota->cores = 0.5;
  found = CheckThreads(facts, Duty());
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_THAT(found.fix, HasSubstr("--threads 1,"));
  facts.cpu.quota->cores = 4;
  EXPECT_EQ(CheckThreads(facts, Duty()).severity, Severity::kPass);
}

TEST(ChecksTest, ADiskIsSlowByItselfOrAgainstThePlan) {
  DiskFacts disk = GoodFacts().disk;
  DeviceDuty duty = Duty();
  disk.bytes_per_second = 150e6;
  EXPECT_EQ(CheckDiskRate(disk, duty).severity, Severity::kWarn);
  disk.bytes_per_second = 70e6;
  const Finding found = CheckDiskRate(disk, duty);
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_EQ(found.value, "70 MB/s");
  EXPECT_THAT(found.expected, HasSubstr("the plan assumes 400 MB/s"));
  duty.disk_bytes_per_second = 0;
  EXPECT_EQ(CheckDiskRate(disk, duty).severity, Severity::kPass);
  disk.bytes_per_second = 30e6;
  EXPECT_EQ(CheckDiskRate(disk, duty).severity, Severity::kWarn);
  disk.bytes_per_second = 9e6;
  EXPECT_EQ(CheckDiskRate(disk, duty).severity, Severity::kFail);
  disk.bytes_per_second.reset();
  disk.rate_status = absl::UnavailableError("no room");
  EXPECT_EQ(CheckDiskRate(disk, duty).fix, "no room");
}

TEST(ChecksTest, AFullOrReadOnlyDiskFails) {
  DiskFacts disk = GoodFacts().disk;
  disk.free_bytes = 10 * kMiB;
  Finding found = CheckDiskSpace(disk);
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_THAT(found.fix, HasSubstr("shoal store gc"));
  disk.free_bytes = 500 * kMiB;
  EXPECT_EQ(CheckDiskSpace(disk).severity, Severity::kWarn);
  disk = GoodFacts().disk;
  disk.is_read_only = true;
  EXPECT_THAT(CheckDiskSpace(disk).value, HasSubstr("read-only"));
}

TEST(ChecksTest, TheInterfaceOfTheDefaultRouteCounts) {
  std::vector<InterfaceFacts> interfaces = {
      {"eth0", false, false, 1000, std::nullopt},
      {"wlan0", true, true, std::nullopt, -80}};
  Finding found = CheckNetwork(interfaces);
  EXPECT_EQ(found.severity, Severity::kWarn);
  EXPECT_THAT(found.value, HasSubstr("wlan0: Wi-Fi, -80 dBm"));
  EXPECT_THAT(found.fix, AllOf(HasSubstr("the signal is weak"),
                               HasSubstr("iw dev wlan0 set power_save off")));
  interfaces[0].is_default = true;
  interfaces[1].is_default = false;
  EXPECT_EQ(CheckNetwork(interfaces).severity, Severity::kPass);
  interfaces[0].megabits = 100;
  EXPECT_EQ(CheckNetwork(interfaces).severity, Severity::kWarn);
  EXPECT_EQ(CheckNetwork({}).severity, Severity::kWarn);
}

TEST(ChecksTest, AConnectionThatHangsHalfOpenIsAOneWayLink) {
  EXPECT_EQ(CheckHalfOpen({}).severity, Severity::kPass);
  const Finding found = CheckHalfOpen({{"10.0.0.2", 7070}, {"10.0.0.2", 7070}});
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_EQ(found.value, "connections hang half open: 10.0.0.2 to port 7070");
  EXPECT_THAT(found.fix, HasSubstr("ip route get 10.0.0.2"));
}

TEST(ChecksTest, HeatFailsWhereTheSystemSlowsDownAndWarnsBefore) {
  HeatFacts heat;
  heat.hottest = "cpu-thermal";
  heat.slows_at_celsius = 80;
  heat.celsius = 81;
  EXPECT_EQ(CheckHeat(heat, {}).severity, Severity::kFail);
  heat.celsius = 77;
  EXPECT_EQ(CheckHeat(heat, {}).severity, Severity::kWarn);
  heat.celsius = 60;
  EXPECT_EQ(CheckHeat(heat, {}).severity, Severity::kPass);
  heat.slowed_by = {"Processor (cooling_device0)"};
  EXPECT_THAT(CheckHeat(heat, {}).value, HasSubstr("slowed down by Processor"));
  heat.slowed_by.clear();
  CpuFacts cpu;
  cpu.clock_share = 0.5;
  EXPECT_THAT(CheckHeat(heat, cpu).value, HasSubstr("clock held at 50 %"));
}

TEST(ChecksTest, ThePisFirmwareTellsOfHeatAndOfAWeakSupply) {
  HeatFacts heat;
  heat.pi_throttled = 0x4;
  Finding found = CheckHeat(heat, {});
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_THAT(found.fix, HasSubstr("heat sink"));
  heat.pi_throttled = 0x50000;
  found = CheckHeat(heat, {});
  EXPECT_EQ(found.severity, Severity::kWarn);
  EXPECT_THAT(found.fix, HasSubstr("power supply"));
  heat.pi_throttled = 0;
  EXPECT_EQ(CheckHeat(heat, {}).severity, Severity::kPass);
}

TEST(ChecksTest, ABatteryThatDischargesWarnsAndFailsWhenNearlyEmpty) {
  EXPECT_EQ(CheckBattery(std::nullopt).severity, Severity::kPass);
  EXPECT_EQ(CheckBattery(BatteryFacts{"BAT0", 15, false}).severity,
            Severity::kPass);
  EXPECT_EQ(CheckBattery(BatteryFacts{"BAT0", 80, true}).severity,
            Severity::kWarn);
  EXPECT_EQ(CheckBattery(BatteryFacts{"BAT0", 15, true}).severity,
            Severity::kFail);
}

TEST(ChecksTest, ScalarKernelsAreWarnedOf) {
  DeviceDuty duty = Duty();
  duty.isa = "scalar";
  EXPECT_EQ(CheckIsa(duty).severity, Severity::kWarn);
  EXPECT_EQ(CheckIsa(Duty()).value, "avx2 (of avx2, scalar)");
}

}  // namespace
}  // namespace shoal::health

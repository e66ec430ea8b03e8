#include "health/checks.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/byte_size.h"

namespace shoal::health {
namespace {

// A whole model of a few hundred MiB is quickly there, a big one is not.
constexpr uint64_t kDiskFreeWell = base::kGiB;
// A store's notes fit in it, no unit of a real model does.
constexpr uint64_t kDiskFreeMin = 64 * base::kMiB;
// Cards of class A1 do some tens of MB/s; a gigabyte of weights per token is
// then half a minute, and any old SATA disk does better.
constexpr double kDiskRateWell = 40e6;
constexpr double kDiskRateMin = 10e6;
// Of what the plan assumes. Rates differ by tens of percent from one time to
// the next, and more while weights are read.
constexpr double kDiskShareWell = 0.4;
constexpr double kDiskShareMin = 0.2;
constexpr uint32_t kMegabitsWell = 1000;
constexpr int kSignalWellDbm = -67;
constexpr double kHeatRoomWell = 5;     // degrees
constexpr double kHeatUsualLimit = 85;  // where the system does not say
constexpr double kClockShareWell = 0.95;
constexpr uint32_t kBatteryMin = 20;  // percent

std::string Megabytes(double bytes_per_second) {
  return absl::StrFormat("%.0f MB/s", bytes_per_second / 1e6);
}

std::string Cores(double cores) { return absl::StrFormat("%.2g", cores); }

}  // namespace

Finding CheckIsa(const DeviceDuty& duty) {
  constexpr char kCheck[] = "instruction set";
  const std::string value = absl::StrCat(
      duty.isa.empty() ? absl::StrJoin(duty.isas, ", ") : duty.isa,
      duty.isa.empty() || duty.isas.empty()
          ? ""
          : absl::StrCat(" (of ", absl::StrJoin(duty.isas, ", "), ")"));
  if (duty.isa != "scalar") return Pass(kCheck, value);
  return Warn(kCheck, value, "avx2 or better, or neon",
              "products are several times slower; take a program built for "
              "this processor, or leave out --isa scalar");
}

Finding CheckMemory(const DeviceFacts& facts, const DeviceDuty& duty) {
  constexpr char kCheck[] = "free memory";
  if (!facts.memory_status.ok()) {
    return Warn(kCheck, "unknown", "a readable /proc/meminfo",
                facts.memory_status.message());
  }
  const MemoryFacts& memory = facts.memory;
  const uint64_t mine = duty.is_this_process ? memory.own_bytes : 0;
  const uint64_t available = memory.available_bytes + mine;
  const std::string value = absl::StrCat(
      base::FormatByteSize(memory.available_bytes), " of ",
      base::FormatByteSize(memory.machine_bytes),
      mine > 0 ? absl::StrCat(" beside our ", base::FormatByteSize(mine)) : "");
  if (duty.budget_bytes == 0) return Pass(kCheck, value);
  const std::string expected = absl::StrCat(
      base::FormatByteSize(duty.budget_bytes), " for the memory cap");
  if (available >= duty.budget_bytes) return Pass(kCheck, value, expected);
  return Warn(kCheck, value, expected,
              absl::StrCat("end other programs (ps aux --sort=-rss | head), or "
                           "give less: --memory ",
                           available / 5 * 4 / base::kMiB, "MiB"));
}

Finding CheckMemoryLimit(const DeviceFacts& facts, const DeviceDuty& duty) {
  constexpr char kCheck[] = "cgroup memory limit";
  if (!facts.memory.limit) return Pass(kCheck, "none");
  const MemoryLimit& limit = *facts.memory.limit;
  const std::string value =
      absl::StrCat(base::FormatByteSize(limit.bytes), " (", limit.path, ")");
  if (duty.budget_bytes == 0) {
    return Pass(kCheck, value);
  }
  const std::string expected = absl::StrCat(
      "at least the memory cap, ", base::FormatByteSize(duty.budget_bytes));
  if (limit.bytes >= duty.budget_bytes) return Pass(kCheck, value, expected);
  return Fail(kCheck, value, expected,
              absl::StrCat("the system ends the process at the limit: give "
                           "less, --memory ",
                           limit.bytes / 5 * 4 / base::kMiB,
                           "MiB, or raise the limit (systemctl set-property "
                           "UNIT MemoryMax=",
                           duty.budget_bytes / 4 * 5 / base::kMiB, "M)"));
}

Finding CheckThreads(const DeviceFacts& facts, const DeviceDuty& duty) {
  constexpr char kCheck[] = "processor time";
  const double cores = facts.cpu.cores;
  const double threads = duty.threads == 0 ? cores : duty.threads;
  const std::string of_all =
      absl::StrCat(Cores(cores), " cores, ", Cores(threads), " threads");
  if (!facts.cpu.quota || facts.cpu.quota->cores >= cores) {
    if (threads <= cores) return Pass(kCheck, of_all);
    return Warn(kCheck, of_all, "a core for each thread",
                absl::StrCat("--threads ", Cores(cores)));
  }
  const CpuQuota& quota = *facts.cpu.quota;
  const std::string value = absl::StrCat("a quota of ", Cores(quota.cores),
                                         " of ", of_all, " (", quota.path, ")");
  const std::string expected =
      absl::StrCat("time for ", Cores(threads), " threads");
  if (quota.cores >= threads) return Pass(kCheck, value, expected);
  const auto fitting = std::max(1, static_cast<int>(quota.cores));
  const std::string fix = absl::StrCat(
      "threads run at full speed and then all stand still until the next "
      "period: --threads ",
      fitting, ", or raise the quota (systemctl set-property UNIT CPUQuota=",
      static_cast<int>(threads * 100), "%)");
  if (quota.cores < threads / 2) return Fail(kCheck, value, expected, fix);
  return Warn(kCheck, value, expected, fix);
}

Finding CheckDiskSpace(const DiskFacts& disk) {
  constexpr char kCheck[] = "disk space";
  const std::string expected =
      absl::StrCat("room for this device's share of the weights, at least ",
                   base::FormatByteSize(kDiskFreeMin));
  if (!disk.status.ok()) {
    return Fail(kCheck, "unknown", expected, disk.status.message());
  }
  const std::string value =
      absl::StrCat(base::FormatByteSize(disk.free_bytes), " free of ",
                   base::FormatByteSize(disk.total_bytes), " at ", disk.folder);
  if (disk.is_read_only) {
    return Fail(kCheck, absl::StrCat(value, ", read-only"), expected,
                "mount it for writing, or keep weights elsewhere: --store DIR");
  }
  const std::string fix = absl::StrCat(
      "remove models that are not used (shoal store gc), or keep weights on "
      "another disk: --store DIR; what takes room: du -xh ",
      disk.folder, " | sort -h | tail");
  if (disk.free_bytes < kDiskFreeMin) {
    return Fail(kCheck, value, expected, fix);
  }
  if (disk.free_bytes < kDiskFreeWell) {
    return Warn(kCheck, value, expected, fix);
  }
  return Pass(kCheck, value, expected);
}

Finding CheckDiskRate(const DiskFacts& disk, const DeviceDuty& duty) {
  constexpr char kCheck[] = "disk rate";
  const double planned = duty.disk_bytes_per_second;
  const double well = std::max(kDiskRateWell, planned * kDiskShareWell);
  const std::string expected = absl::StrCat(
      "at least ", Megabytes(well),
      planned > 0 ? absl::StrCat("; the plan assumes ", Megabytes(planned))
                  : "");
  if (!disk.bytes_per_second) {
    return Warn(kCheck, "not measured", expected, disk.rate_status.message());
  }
  const double rate = *disk.bytes_per_second;
  const std::string value = Megabytes(rate);
  if (rate >= well) return Pass(kCheck, value, expected);
  const std::string fix = absl::StrCat(
      "every streamed weight waits for it: keep weights on a faster disk "
      "(--store DIR), give more memory (--memory) or a smaller share; what "
      "else reads: iostat -x 1; all request sizes: shoal bench disk ",
      "--store ", disk.folder);
  if (rate < kDiskRateMin || rate < planned * kDiskShareMin) {
    return Fail(kCheck, value, expected, fix);
  }
  return Warn(kCheck, value, expected, fix);
}

Finding CheckNetwork(const std::vector<InterfaceFacts>& interfaces) {
  constexpr char kCheck[] = "network";
  constexpr char kExpected[] = "a cable, 1000 Mbit/s or more";
  if (interfaces.empty()) {
    return Warn(kCheck, "no interface is up beside the loopback", kExpected,
                "only devices on this machine can be reached: ip link");
  }
  const auto chosen = std::max_element(
      interfaces.begin(), interfaces.end(),
      [](const auto& a, const auto& b) { return a.is_default < b.is_default; });
  std::string value = absl::StrCat(
      chosen->name, ": ", chosen->is_wifi ? "Wi-Fi" : "wired",
      chosen->megabits ? absl::StrCat(", ", *chosen->megabits, " Mbit/s") : "",
      chosen->signal_dbm ? absl::StrCat(", ", *chosen->signal_dbm, " dBm")
                         : "");
  if (chosen->is_wifi) {
    const bool is_weak =
        chosen->signal_dbm && *chosen->signal_dbm < kSignalWellDbm;
    return Warn(kCheck, value, kExpected,
                absl::StrCat(is_weak ? "the signal is weak, too: " : "",
                             "use a cable; else switch power saving off (iw "
                             "dev ",
                             chosen->name, " set power_save off)"));
  }
  if (chosen->megabits && *chosen->megabits < kMegabitsWell) {
    return Warn(kCheck, value, kExpected,
                "prompts and units wait for it: another cable or switch port "
                "(four pairs, cat 5e)");
  }
  return Pass(kCheck, value, kExpected);
}

Finding CheckHalfOpen(const std::vector<HalfOpen>& half_open) {
  constexpr char kCheck[] = "one-way links";
  if (half_open.empty()) return Pass(kCheck, "none seen");
  std::vector<std::string> peers;
  for (const HalfOpen& one : half_open) {
    const std::string peer = absl::StrCat(one.peer, " to port ", one.port);
    if (std::find(peers.begin(), peers.end(), peer) == peers.end()) {
      peers.push_back(peer);
    }
  }
  return Fail(
      kCheck,
      absl::StrCat("connections hang half open: ", absl::StrJoin(peers, ", ")),
      "whoever is heard hears us",
      absl::StrCat("we hear ", half_open[0].peer,
                   ", and it does not hear us: look for a firewall "
                   "or a route on the way back (ip route get ",
                   half_open[0].peer, "; ip neigh)"));
}

Finding CheckHeat(const HeatFacts& heat, const CpuFacts& cpu) {
  constexpr char kCheck[] = "heat and clock";
  constexpr uint32_t kPiNow = 0xf;  // of vcgencmd get_throttled
  constexpr uint32_t kPiUndervoltage = 0x10001;
  const double limit = heat.slows_at_celsius.value_or(kHeatUsualLimit);
  const std::string expected =
      absl::StrFormat("below %.0f C, full clock", limit - kHeatRoomWell);
  std::string value =
      heat.hottest.empty()
          ? "the system tells no temperature"
          : absl::StrFormat("%.0f C (%s)", heat.celsius, heat.hottest);
  if (heat.pi_throttled && *heat.pi_throttled != 0) {
    const uint32_t flags = *heat.pi_throttled;
    absl::StrAppend(&value, absl::StrFormat(", get_throttled 0x%x", flags));
    const std::string fix =
        (flags & kPiUndervoltage) != 0
            ? "its power supply is too weak: take one for this board, and a "
              "short cable"
            : "cool it: a heat sink or a fan";
    if ((flags & kPiNow) != 0) return Fail(kCheck, value, expected, fix);
    return Warn(kCheck, value + ", not now but since it started", expected,
                fix);
  }
  if (!heat.hottest.empty() && heat.celsius >= limit) {
    return Fail(kCheck, value, expected,
                "the system slows it down: a heat sink, a fan, fewer threads "
                "(--threads)");
  }
  if (!heat.slowed_by.empty()) {
    return Warn(kCheck,
                absl::StrCat(value, ", slowed down by ",
                             absl::StrJoin(heat.slowed_by, ", ")),
                expected, "cool it, or take fewer threads (--threads)");
  }
  if (cpu.clock_share && *cpu.clock_share < kClockShareWell) {
    return Warn(kCheck,
                absl::StrFormat("%s, clock held at %.0f %%", value,
                                *cpu.clock_share * 100),
                expected,
                "a power setting or heat holds it: cpupower frequency-info; "
                "cpupower frequency-set -g performance");
  }
  if (!heat.hottest.empty() && heat.celsius > limit - kHeatRoomWell) {
    return Warn(kCheck, value, expected, "cool it before it slows down");
  }
  return Pass(kCheck, value, heat.hottest.empty() ? "" : expected);
}

Finding CheckBattery(const std::optional<BatteryFacts>& battery) {
  constexpr char kCheck[] = "power";
  constexpr char kExpected[] = "mains, or charging";
  if (!battery) return Pass(kCheck, "no battery");
  const std::string value =
      absl::StrCat(battery->name, ": ", battery->percent, " %, ",
                   battery->discharges ? "discharging" : "not discharging");
  if (!battery->discharges) return Pass(kCheck, value, kExpected);
  constexpr char kFix[] =
      "connect its charger; on battery it is slowed down, "
      "and goes away when it is empty";
  if (battery->percent < kBatteryMin) {
    return Fail(kCheck, value, kExpected, kFix);
  }
  return Warn(kCheck, value, kExpected, kFix);
}

Findings CheckDevice(const DeviceFacts& facts, const DeviceDuty& duty) {
  return {CheckIsa(duty),
          CheckThreads(facts, duty),
          CheckMemory(facts, duty),
          CheckMemoryLimit(facts, duty),
          CheckDiskSpace(facts.disk),
          CheckDiskRate(facts.disk, duty),
          CheckNetwork(facts.interfaces),
          CheckHalfOpen(facts.half_open),
          CheckHeat(facts.heat, facts.cpu),
          CheckBattery(facts.battery)};
}

}  // namespace shoal::health

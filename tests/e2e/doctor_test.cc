// shoal doctor finds what is planted: as far as this machine lets it, with real
// namespaces, cgroups, disks and links; heat, battery and Wi-Fi in a copy of
// /sys and /proc.

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/cable.h"
#include "tests/e2e/fleet_processes.h"
#include "tests/e2e/lab.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramOptions;
using cli::ProgramResult;
using ::testing::AllOf;
using testing::Cable;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ReadWaiting;

// A cgroup (version 1) of this test, below its own.
class Cgroup {
 public:
  Cgroup(const std::string& controller, const std::string& file,
         const std::string& value)
      : folder_(absl::StrCat("/sys/fs/cgroup/", controller,
                             OwnGroup(controller), "/shoal-doctor-",
                             getpid())) {
    std::filesystem::create_directory(folder_, error_);
    std::ofstream out(absl::StrCat(folder_, "/", file));
    out << value;
    out.close();
    is_set_ = !error_ && !out.fail();
  }
  ~Cgroup() { std::filesystem::remove(folder_, error_); }

  bool is_set() const { return is_set_; }
  std::vector<std::string> Launcher() const {
    return {"/bin/sh", "-c",
            absl::StrCat("echo $$ >", folder_,
                         "/cgroup.procs && exec \"$0\" \"$@\"")};
  }

 private:
  static std::string OwnGroup(const std::string& controller) {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
      const std::vector<std::string> parts =
          absl::StrSplit(line, absl::MaxSplits(':', 2));
      if (parts.size() == 3 && parts[1] == controller) {
        return parts[2] == "/" ? "" : parts[2];
      }
    }
    return "";
  }

  const std::string folder_;
  std::error_code error_;
  bool is_set_ = false;
};

class DoctorTest : public testing::FleetProcessesTest {
 protected:
  ProgramResult Doctor(const std::vector<std::string>& more,
                       const std::vector<std::string>& launcher = {},
                       const std::string& token = "") const {
    std::vector<std::string> words = {"doctor"};
    words.insert(words.end(), more.begin(), more.end());
    return cli::RunProgram(words, On(launcher, token));
  }
  ProgramOptions On(const std::vector<std::string>& launcher,
                    const std::string& token = "") const {
    ProgramOptions options = Environment();
    options.launcher = launcher;
    if (!token.empty()) options.environment["SHOAL_TOKEN"] = token;
    return options;
  }
  // A service that waits for a worker.
  static std::vector<std::string> Serving(const std::string& address) {
    return {"serve",      "-m",    testing::StoryModelPath(),
            "--listen",   address, "--insecure",
            "--expect",   "1",     "--http",
            "127.0.0.1:0"};
  }
  // Of the device pi, asked for where the coordinator runs.
  ProgramResult DoctorOfPi(const std::string& address,
                           const testing::Waiting& waiting,
                           const std::vector<std::string>& launcher) const {
    const std::string file = cache_.File("token");
    std::ofstream(file) << waiting.token << "\n";
    return Doctor(
        {"pi", "--coordinator", absl::StrCat(address, ":", waiting.port),
         "--token-file", file},
        launcher);
  }
  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path full = cache_.File("root") + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
};

TEST_F(DoctorTest, FactsComeAsJsonToo) {
  const ProgramResult result = Doctor({"--json"});
  const auto object = nlohmann::json::parse(result.out);
  ASSERT_EQ(object["devices"].size(), 1u);
  EXPECT_EQ(object["devices"][0]["findings"].size(), 10u) << result.out;
  EXPECT_EQ(result.exit_code, object["failures"] == 0 ? 0 : 1);
}

TEST_F(DoctorTest, FindsALimitOfTheCgroupBelowTheCap) {
  const Cgroup group("memory", "memory.limit_in_bytes", "300M");
  if (!group.is_set()) GTEST_SKIP() << "no right to make a cgroup (v1)";
  const ProgramResult result = Doctor({"--memory", "1GiB"}, group.Launcher());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out,
              AllOf(ContainsRegex("FAIL  cgroup memory limit  300 MiB"),
                    HasSubstr("--memory 240MiB")));
  EXPECT_THAT(result.err, HasSubstr("cgroup memory limit"));
  EXPECT_THAT(Doctor({"--memory", "200MiB"}, group.Launcher()).out,
              HasSubstr("PASS  cgroup memory limit  300 MiB"));
}

TEST_F(DoctorTest, FindsAQuotaOfProcessorTime) {
  const Cgroup group("cpu", "cpu.cfs_quota_us", "40000");
  if (!group.is_set()) GTEST_SKIP() << "no right to make a cgroup (v1)";
  const ProgramResult result = Doctor({"--threads", "2"}, group.Launcher());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out,
              ContainsRegex("FAIL  processor time +a quota of 0.4 of .*2 "
                            "threads.*\n.*\n +fix: .*--threads 1, "));
}

TEST_F(DoctorTest, FindsASlowDisk) {
  struct stat info = {};
  ASSERT_EQ(stat(cache_.path().c_str(), &info), 0);
  const Cgroup group(
      "blkio", "blkio.throttle.read_bps_device",
      absl::StrCat(major(info.st_dev), ":", minor(info.st_dev), " 6000000"));
  if (!group.is_set()) GTEST_SKIP() << "no right to slow down a disk";
  const ProgramResult result = Doctor({}, group.Launcher());
  EXPECT_THAT(result.out,
              ContainsRegex("(WARN|FAIL)  disk rate +[0-9]+ MB/s\n +expected: "
                            "at least 40 MB/s"));
}

TEST_F(DoctorTest, FindsAFullDisk) {
  const std::string disk = cache_.File("disk");
  std::filesystem::create_directory(disk);
  // A small disk that this process alone, and what it starts, can see.
  if (unshare(CLONE_NEWNS) != 0 ||
      mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", disk.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "no right to make a small disk";
  }
  const ProgramResult result = Doctor({"--store", disk});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, ContainsRegex("FAIL  disk space +[34].* free of 4 "
                                        "MiB at .*disk"));
  umount(disk.c_str());
}

TEST_F(DoctorTest, FindsHeatABatteryAndWiFiInACopyOfTheSystem) {
  Write("/proc/meminfo", "MemTotal: 4194304 kB\nMemAvailable: 4000000 kB\n");
  Write("/proc/self/status", "VmHWM: 2048 kB\nVmRSS: 1024 kB\n");
  Write("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
  Write("/sys/class/thermal/thermal_zone0/temp", "86000\n");
  Write("/sys/class/power_supply/BAT0/type", "Battery\n");
  Write("/sys/class/power_supply/BAT0/capacity", "12\n");
  Write("/sys/class/power_supply/BAT0/status", "Discharging\n");
  Write("/sys/class/net/wlan0/type", "1\n");
  Write("/sys/class/net/wlan0/operstate", "up\n");
  Write("/sys/class/net/wlan0/wireless/x", "");
  const ProgramResult result = Doctor({"--system-root", cache_.File("root")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out,
              AllOf(ContainsRegex("FAIL  heat and clock +86 C"),
                    ContainsRegex("FAIL  power +BAT0: 12 %, discharging"),
                    ContainsRegex("WARN  network +wlan0: Wi-Fi")));
}

TEST_F(DoctorTest, FindsWhyADeviceCannotJoinAFleetWithCertificates) {
  const std::string secrets = cache_.File("secrets");
  Program coordinator(
      {"serve", "-m", testing::StoryModelPath(), "--listen", "127.0.0.1:0",
       "--secrets", secrets, "--expect", "1", "--http", "127.0.0.1:0"},
      Environment());
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(coordinator).port);
  const std::string token_file = secrets + "/token";
  ProgramResult result =
      Doctor({"--join", address, "--token-file", token_file});
  EXPECT_THAT(
      result.out,
      AllOf(ContainsRegex("PASS  TLS +the certificate of a coordinator"),
            ContainsRegex("PASS  fleet +that of the token"),
            ContainsRegex("PASS  version +shoal .*, protocol "),
            ContainsRegex("PASS  clock "),
            ContainsRegex("PASS  ports, the coordinator to this device"),
            ContainsRegex("PASS  ports, this device to the coordinator"),
            ContainsRegex("PASS  round trip, this device to the coord")));
  // Of another fleet.
  Program other({"serve", "-m", testing::StoryModelPath(), "--listen",
                 "127.0.0.1:0", "--secrets", cache_.File("other"), "--expect",
                 "1", "--http", "127.0.0.1:0"},
                Environment());
  ReadWaiting(other);
  result = Doctor(
      {"--join", address, "--token-file", cache_.File("other") + "/token"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, ContainsRegex("FAIL  fleet +another one than that"));
  result = Doctor({"--join", address});
  EXPECT_THAT(result.out, ContainsRegex("WARN  token +none was given"));
  result = Doctor({"--join", address, "--insecure"});
  EXPECT_THAT(result.out, ContainsRegex("FAIL  TLS +it speaks TLS"));
  result = Doctor({"--join", "no-such-host.invalid:7070"});
  EXPECT_THAT(result.out, ContainsRegex("FAIL  name +no-such-host.invalid: "));
}

class DoctorLinkTest : public DoctorTest {
 protected:
  void SetUp() override {
    auto cable = Cable::Plug();
    if (!cable.ok()) GTEST_SKIP() << cable.status().message();
    cable_ = *std::move(cable);
  }
  ProgramResult Join(const testing::Waiting& waiting) const {
    return Doctor(
        {"--join", absl::StrCat(cable_->AddressOf(1), ":", waiting.port),
         "--insecure"},
        cable_->Launcher(2), waiting.token);
  }
  std::unique_ptr<Cable> cable_;
};

TEST_F(DoctorLinkTest, FindsABlockedPortOfTheCoordinator) {
  Program coordinator(Serving(cable_->AddressOf(1) + ":0"),
                      On(cable_->Launcher(1)));
  const testing::Waiting waiting = ReadWaiting(coordinator);
  EXPECT_THAT(Join(waiting).out, Not(ContainsRegex("FAIL +port")));
  uint32_t port = 0;
  ASSERT_TRUE(absl::SimpleAtoi(waiting.port, &port));
  ASSERT_EQ(cable_->DropAt(1, port, port), absl::OkStatus());
  const ProgramResult result = Join(waiting);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(
      result.out,
      AllOf(ContainsRegex("FAIL  port +no answer from 10.0.0.1:.* within 4s, "
                          "but 10.0.0.1 is there"),
            HasSubstr(absl::StrCat("ufw allow ", waiting.port, "/tcp"))));
}

TEST_F(DoctorLinkTest, FindsAOneWayLinkAtTheEndThatIsNotHeard) {
  Program coordinator(Serving(cable_->AddressOf(1) + ":0"),
                      On(cable_->Launcher(1)));
  const testing::Waiting waiting = ReadWaiting(coordinator);
  ASSERT_EQ(cable_->LoseWhatIsSentBy(1), absl::OkStatus());
  // It dials and dials.
  Program worker({"worker", "--join",
                  absl::StrCat(cable_->AddressOf(1), ":", waiting.port),
                  "--name", "pi", "--insecure"},
                 On(cable_->Launcher(2), waiting.token));
  ASSERT_TRUE(worker.WaitForError("cannot reach a coordinator"))
      << worker.so_far().err;
  const ProgramResult here = Doctor({}, cable_->Launcher(1));
  EXPECT_EQ(here.exit_code, 1);
  EXPECT_THAT(here.out,
              AllOf(ContainsRegex(absl::StrCat(
                        "FAIL  one-way links +connections hang half open: "
                        "10.0.0.2 to port ",
                        waiting.port)),
                    HasSubstr("we hear 10.0.0.2, and it does not hear us")));
  const ProgramResult there = Join(waiting);
  EXPECT_THAT(there.out,
              AllOf(ContainsRegex("FAIL  port +no answer from 10.0.0.1"),
                    HasSubstr("one-way link"), HasSubstr("run shoal doctor")));
}

TEST_F(DoctorLinkTest, FindsAOneWayLinkOfADeviceThatIsNotHeard) {
  Program coordinator(Serving(cable_->AddressOf(1) + ":0"),
                      On(cable_->Launcher(1)));
  const testing::Waiting waiting = ReadWaiting(coordinator);
  ASSERT_EQ(cable_->LoseWhatIsSentBy(2), absl::OkStatus());
  EXPECT_THAT(Doctor({}, cable_->Launcher(1)).out,
              HasSubstr("PASS  one-way links"));
  EXPECT_THAT(
      Join(waiting).out,
      AllOf(ContainsRegex("FAIL  port +no answer from 10.0.0.1"),
            HasSubstr("no other sign of it"), HasSubstr("one-way link")));
}

TEST_F(DoctorLinkTest, FindsBlockedDataPortsOfADeviceInTheFleet) {
  Program coordinator(Serving(cable_->AddressOf(1) + ":0"),
                      On(cable_->Launcher(1)));
  const testing::Waiting waiting = ReadWaiting(coordinator);
  Program worker({"worker", "--join",
                  absl::StrCat(cable_->AddressOf(1), ":", waiting.port),
                  "--name", "pi", "--insecure"},
                 On(cable_->Launcher(2), waiting.token));
  ASSERT_TRUE(worker.WaitForError("joined")) << worker.so_far().err;
  uint32_t port = 0;
  ASSERT_TRUE(absl::SimpleAtoi(waiting.port, &port));
  ASSERT_EQ(cable_->DropAt(1, 1, 65534, port), absl::OkStatus());
  const ProgramResult result =
      DoctorOfPi(cable_->AddressOf(1), waiting, cable_->Launcher(1));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out,
              AllOf(ContainsRegex("FAIL  ports, pi to .* +no answer from"),
                    ContainsRegex("PASS  version ")));
}

TEST_F(DoctorTest, FindsJitterOfFortyMilliseconds) {
  auto lab = testing::Lab::Start(2);
  if (!lab.ok()) GTEST_SKIP() << lab.status().message();
  Program coordinator(Serving((*lab)->AddressOf(1) + ":0"),
                      On((*lab)->Launcher(1)));
  const testing::Waiting waiting = ReadWaiting(coordinator);
  Program worker({"worker", "--join",
                  absl::StrCat((*lab)->AddressOf(1), ":", waiting.port),
                  "--name", "pi", "--insecure"},
                 On((*lab)->Launcher(2), waiting.token));
  ASSERT_TRUE(worker.WaitForError("joined")) << worker.so_far().err;
  const ProgramResult before =
      DoctorOfPi((*lab)->AddressOf(1), waiting, (*lab)->Launcher(1));
  EXPECT_THAT(before.out, ContainsRegex("PASS  round trip, .* to pi"));
  ASSERT_EQ((*lab)->SetLink(2, {"delay=40ms", "jitter=40ms"}),
            absl::OkStatus());
  const ProgramResult result =
      DoctorOfPi((*lab)->AddressOf(1), waiting, (*lab)->Launcher(1));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, ContainsRegex("FAIL  round trip, .* to pi +median .*"
                                        "jitter [0-9.]+ ms"));
}

}  // namespace
}  // namespace shoal

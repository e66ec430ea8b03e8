#include "memory/process_memory.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/slab.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::memory {
namespace {

using base::kGiB;
using base::kMiB;
using ::testing::HasSubstr;

class ProcessMemoryTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = folder_.File(path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  // A machine of 8 GiB with 6 GiB available.
  void WriteMeminfo() {
    Write("proc/meminfo",
          "MemTotal:        8388608 kB\nMemFree:          100000 kB\n"
          "MemAvailable:    6291456 kB\n");
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(ProcessMemoryTest, ReadsTheFieldsOfTheStatusFile) {
  Write("proc/self/status",
        "Name:\tshoal\nVmPeak:\t  999 kB\nVmHWM:\t    2048 kB\n"
        "VmRSS:\t    1024 kB\n");
  const auto memory = ReadProcessMemory(folder_.path());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->rss_bytes, kMiB);
  EXPECT_EQ(memory->peak_rss_bytes, 2 * kMiB);
}

TEST_F(ProcessMemoryTest, PeakGrowsByWhatThisProcessTouches) {
  const auto before = ReadProcessMemory();
  ASSERT_TRUE(before.ok()) << before.status();
  {
    auto slab = Slab::Create(64 * kMiB);
    ASSERT_TRUE(slab.ok()) << slab.status();
    std::memset(slab->data(), 1, slab->size());
    const auto during = ReadProcessMemory();
    ASSERT_TRUE(during.ok()) << during.status();
    EXPECT_GE(during->rss_bytes, before->rss_bytes + 60 * kMiB);
  }
  const auto after = ReadProcessMemory();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->peak_rss_bytes, before->rss_bytes + 60 * kMiB);
  EXPECT_LT(after->rss_bytes, after->peak_rss_bytes - 30 * kMiB);
}

TEST_F(ProcessMemoryTest, MissingOrDamagedFilesAreUnavailable) {
  EXPECT_EQ(ReadProcessMemory(folder_.path()).status().code(),
            absl::StatusCode::kUnavailable);
  Write("proc/self/status", "VmHWM:\t 1 kB\nVmRSS:\t many kB\n");
  EXPECT_THAT(std::string(ReadProcessMemory(folder_.path()).status().message()),
              HasSubstr("VmRSS"));
  EXPECT_EQ(ReadMachineMemory(folder_.path()).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(ProcessMemoryTest, WithoutCgroupTheMachineIsTheLimit) {
  WriteMeminfo();
  const auto memory = ReadMachineMemory(folder_.path());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->total_bytes, 8 * kGiB);
  EXPECT_EQ(memory->available_bytes, 6 * kGiB);
  EXPECT_EQ(memory->limited_by, "machine");
}

TEST_F(ProcessMemoryTest, ALimitOfAParentGroupHoldsAndItsCacheCountsAsFree) {
  WriteMeminfo();
  Write("proc/self/cgroup", "0::/app/worker\n");
  Write("sys/fs/cgroup/app/worker/memory.max", "max\n");
  Write("sys/fs/cgroup/app/memory.max", "1073741824\n");
  Write("sys/fs/cgroup/app/memory.current", "536870912\n");
  Write("sys/fs/cgroup/app/memory.stat",
        "active_file 7\ninactive_file 268435456\n");
  const auto memory = ReadMachineMemory(folder_.path());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->total_bytes, kGiB);
  EXPECT_EQ(memory->available_bytes, 768 * kMiB);
  EXPECT_THAT(memory->limited_by, HasSubstr("app/memory.max"));
}

TEST_F(ProcessMemoryTest, VersionOneLimitsHoldAlsoWhereTheGroupIsHidden) {
  WriteMeminfo();
  // As in a container: the group's own path does not exist inside.
  Write("proc/self/cgroup", "9:cpu:/x\n4:memory:/docker/abc\n0::/\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "134217728\n");
  Write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 67108864\n");
  const auto memory = ReadMachineMemory(folder_.path());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->available_bytes, 448 * kMiB);
}

TEST_F(ProcessMemoryTest, AGroupOverItsLimitHasNothingLeft) {
  WriteMeminfo();
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/memory.max", "1000000\n");
  Write("sys/fs/cgroup/memory.current", "2000000\n");
  const auto memory = ReadMachineMemory(folder_.path());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->available_bytes, 0u);
}

TEST_F(ProcessMemoryTest, LimitsAboveTheMachineChangeNothing) {
  WriteMeminfo();
  Write("proc/self/cgroup", "4:memory:/\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const auto memory = ReadMachineMemory(folder_.path());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->available_bytes, 6 * kGiB);
  EXPECT_EQ(memory->limited_by, "machine");
  const auto levels = ReadMemoryLevels(folder_.path());
  ASSERT_TRUE(levels.ok()) << levels.status();
  EXPECT_EQ(levels->size(), 1u);
}

TEST_F(ProcessMemoryTest, EveryLimitIsALevelAndAllOfItsCacheCanBeReclaimed) {
  WriteMeminfo();
  Write("proc/self/cgroup", "0::/app\n");
  Write("sys/fs/cgroup/app/memory.max", "1073741824\n");
  Write("sys/fs/cgroup/app/memory.high", "536870912\n");
  Write("sys/fs/cgroup/app/memory.current", "402653184\n");
  Write("sys/fs/cgroup/app/memory.stat",
        "active_file 67108864\ninactive_file 134217728\n");
  const auto levels = ReadMemoryLevels(absl::StrCat(folder_.path(), "/"));
  ASSERT_TRUE(levels.ok()) << levels.status();
  ASSERT_EQ(levels->size(), 3u);
  EXPECT_EQ((*levels)[0].name, "machine");
  EXPECT_EQ((*levels)[0].available_bytes, 6 * kGiB);
  EXPECT_EQ((*levels)[2].name,
            absl::StrCat(folder_.path(), "/sys/fs/cgroup/app/memory.high"));
  EXPECT_EQ((*levels)[2].total_bytes, 512 * kMiB);
  EXPECT_EQ((*levels)[2].available_bytes, 256 * kMiB);
  EXPECT_EQ((*levels)[2].reclaimable_bytes, 320 * kMiB);
}

TEST_F(ProcessMemoryTest, TheTimeWaitedForMemoryIsThatOfTheGroupIfKnown) {
  WriteMeminfo();
  EXPECT_EQ(ReadMemoryStall(folder_.path()), std::nullopt);
  Write("proc/pressure/memory",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=51620\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=91\n");
  EXPECT_EQ(ReadMemoryStall(folder_.path()), absl::Microseconds(51620));
  Write("proc/self/cgroup", "0::/app\n");
  Write("sys/fs/cgroup/app/memory.pressure",
        "some avg10=1.00 avg60=0.00 avg300=0.00 total=7\nfull total=1\n");
  EXPECT_EQ(ReadMemoryStall(folder_.path()), absl::Microseconds(7));
}

}  // namespace
}  // namespace shoal::memory

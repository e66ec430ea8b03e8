#include "kernels/cpu_cores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"

namespace shoal::kernels {
namespace {

using ::testing::ElementsAre;

// A machine whose cores say `values` in `file`.
CpuCores CoresOf(const std::string& file, const std::vector<int>& values) {
  const std::string root = ::testing::TempDir() + "cpu_cores";
  std::filesystem::remove_all(root);
  std::vector<uint32_t> allowed;
  for (size_t core = 0; core < values.size(); ++core) {
    allowed.push_back(static_cast<uint32_t>(core));
    const std::string path = absl::StrCat(root, "/cpu", core, "/", file);
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    if (values[core] > 0) std::ofstream(path) << values[core] << "\n";
  }
  return ReadCpuCores(root, allowed);
}

TEST(CpuCoresTest, ByCapacityLittleCoresAreNotBig) {
  const CpuCores cores =
      CoresOf("cpu_capacity", {250, 250, 250, 250, 870, 870, 870, 1024});
  EXPECT_EQ(cores.all.size(), 8u);
  EXPECT_THAT(cores.big, ElementsAre(4, 5, 6, 7));
  EXPECT_TRUE(cores.hybrid());
}

TEST(CpuCoresTest, ByFrequencyEfficientCoresAreNotBig) {
  const CpuCores cores =
      CoresOf("cpufreq/cpuinfo_max_freq", {5600000, 5400000, 4200000, 4200000});
  EXPECT_THAT(cores.big, ElementsAre(0, 1));
}

TEST(CpuCoresTest, ThreadsKeepToTheBigCoresIfThereAreEnough) {
  CpuCores cores;
  cores.all = {0, 1, 2, 3};
  cores.big = {2, 3};
  EXPECT_THAT(CoresFor(cores, 1), ElementsAre(2, 3));
  EXPECT_THAT(CoresFor(cores, 2), ElementsAre(2, 3));
  EXPECT_TRUE(CoresFor(cores, 3).empty());
  cores.big = cores.all;
  EXPECT_TRUE(CoresFor(cores, 2).empty());
}

TEST(CpuCoresTest, EqualOrUnknownCoresAreAllBig) {
  EXPECT_FALSE(CoresOf("cpu_capacity", {1024, 1024, 1024}).hybrid());
  EXPECT_FALSE(CoresOf("cpu_capacity", {0, 0}).hybrid());
  // One that says nothing, as while it is switched off.
  EXPECT_FALSE(CoresOf("cpu_capacity", {1024, 0, 250}).hybrid());
}

TEST(CpuCoresTest, TheCoresOfThisProcessAreThoseOfItsMask) {
  std::thread thread([] {
    const std::vector<uint32_t> before = ReadCpuCores().all;
    ASSERT_FALSE(before.empty());
    ASSERT_TRUE(BindThisThread(std::vector<uint32_t>{before.back()}));
    EXPECT_THAT(ReadCpuCores().all, ElementsAre(before.back()));
    EXPECT_EQ(sched_getcpu(), static_cast<int>(before.back()));
  });
  thread.join();
}

TEST(CpuCoresTest, CoresThatAreNotThereCannotBeBoundTo) {
  std::thread thread([] {
    EXPECT_FALSE(BindThisThread({}));
    EXPECT_FALSE(BindThisThread(std::vector<uint32_t>{1000000}));
  });
  thread.join();
}

}  // namespace
}  // namespace shoal::kernels

#include "worker/profile.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/process_memory.h"
#include "worker/disk_rate.h"

namespace shoal::worker {
namespace {

ProfileOptions OptionsFor(const std::string& directory) {
  ProfileOptions options;
  options.name = "pi3";
  options.store_directory = directory;
  options.measure_time = absl::Milliseconds(20);
  return options;
}

TEST(ProfileTest, MeasuresRatesAndLeavesNoFileBehind) {
  const std::string directory = ::testing::TempDir() + "profile_store";
  std::filesystem::remove_all(directory);
  const auto result = MeasureProfile(OptionsFor(directory));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->profile.name, "pi3");
  EXPECT_GT(result->profile.work_macs_per_second, 1e6);
  EXPECT_GT(result->profile.disk_bytes_per_second, 1e5);
  EXPECT_EQ(result->remark, "");
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST(ProfileTest, TheFixedCostCoversWhatTheProcessTakesAndItsPeakSoFar) {
  const auto result = MeasureProfile(OptionsFor(::testing::TempDir()));
  ASSERT_TRUE(result.ok()) << result.status();
  const auto memory = memory::ReadProcessMemory();
  ASSERT_TRUE(memory.ok());
  EXPECT_GE(result->profile.fixed_bytes, memory->peak_rss_bytes);
}

TEST(ProfileTest, TheDefaultBudgetIsFourFifthsOfWhatIsAvailable) {
  ProfileOptions options = OptionsFor(::testing::TempDir());
  const auto machine = memory::ReadMachineMemory();
  ASSERT_TRUE(machine.ok());
  const auto free = MeasureProfile(options);
  ASSERT_TRUE(free.ok());
  EXPECT_NEAR(static_cast<double>(free->profile.budget_bytes),
              0.8 * static_cast<double>(machine->available_bytes),
              0.3 * static_cast<double>(machine->available_bytes));
  options.budget_bytes = 12345;
  const auto fixed = MeasureProfile(options);
  ASSERT_TRUE(fixed.ok());
  EXPECT_EQ(fixed->profile.budget_bytes, 12345u);
}

TEST(ProfileTest, SaysWhyTheDiskCouldNotBeMeasured) {
  const std::string file = ::testing::TempDir() + "profile_no_directory";
  std::ofstream(file) << "x";
  EXPECT_EQ(
      MeasureDiskRate(file, memory::IoEngine::kAuto, absl::Milliseconds(1))
          .status()
          .code(),
      absl::StatusCode::kUnavailable);
  const auto result = MeasureProfile(OptionsFor(file));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->remark, ::testing::HasSubstr(file));
}

TEST(ProfileTest, RefusesAnUnknownInstructionSet) {
  ProfileOptions options = OptionsFor(::testing::TempDir());
  options.isa = "pentium";
  EXPECT_EQ(MeasureProfile(options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shoal::worker

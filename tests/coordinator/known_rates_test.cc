#include "coordinator/known_rates.h"

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::coordinator {
namespace {

double Kept(const std::string& directory, const std::string& name,
            double measured) {
  std::vector<parallel::DeviceProfile> devices(1);
  devices[0].name = name;
  devices[0].work_macs_per_second = measured;
  KeepKnownRates(directory, devices);
  return devices[0].work_macs_per_second;
}

TEST(KnownRatesTest, ADeviceKeepsItsFirstRateUntilItDiffersByMuch) {
  const testing::TemporaryFolder folder;
  const std::string directory = folder.File("not/there/yet");
  EXPECT_EQ(Kept(directory, "pi 4", 1e9), 1e9);
  EXPECT_EQ(Kept(directory, "pi 4", 1.9e9), 1e9);
  EXPECT_EQ(Kept(directory, "pi 4", 0.6e9), 1e9);
  EXPECT_EQ(Kept(directory, "other", 5e9), 5e9);
  EXPECT_EQ(Kept(directory, "pi 4", 2.1e9), 1e9) << "believed at once";
  EXPECT_EQ(Kept(directory, "pi 4", 2.3e9), 2.3e9);
  EXPECT_EQ(Kept(directory, "pi 4", 1.9e9), 2.3e9);
}

TEST(KnownRatesTest, ADoubtEndsWithAMeasurementAsBefore) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(Kept(folder.path(), "pi", 1e9), 1e9);
  EXPECT_EQ(Kept(folder.path(), "pi", 4e8), 1e9);
  EXPECT_EQ(Kept(folder.path(), "pi", 9e8), 1e9);
  EXPECT_EQ(Kept(folder.path(), "pi", 4e8), 1e9);
  EXPECT_EQ(Kept(folder.path(), "pi", 3e9), 1e9) << "another than before";
  EXPECT_EQ(Kept(folder.path(), "pi", 3e9), 3e9);
}

TEST(KnownRatesTest, RatesStayAsTheyAreWhereNothingCanBeKept) {
  EXPECT_EQ(Kept("", "pi", 3e9), 3e9);
  const testing::TemporaryFolder folder;
  std::ofstream(folder.File("file")) << "no folder";
  EXPECT_EQ(Kept(folder.File("file"), "pi", 3e9), 3e9);
  EXPECT_EQ(Kept(folder.File("file"), "pi", 4e9), 4e9);
}

TEST(KnownRatesTest, ADamagedFileIsWrittenAnew) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.File("rates"))
      << "rubbish\n-1 pi\nnan pi\n7e9\n9e9/nan pi\n9e9/ pi\n";
  EXPECT_EQ(Kept(folder.path(), "pi", 3e9), 3e9);
  EXPECT_EQ(Kept(folder.path(), "pi", 4e9), 3e9);
}

}  // namespace
}  // namespace shoal::coordinator

// What is read of a file whose disk is measured.

#include "worker/disk_meter.h"

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::worker {
namespace {

using ::testing::HasSubstr;

// As the store of one of several devices: most of it is others' and not there.
TEST(DiskMeterTest, HolesAreNotTakenForFastDisk) {
  testing::TemporaryFolder folder;
  const std::string path = absl::StrCat(folder.path(), "/sparse");
  std::ofstream file(path, std::ios::binary);
  file.seekp(32 * base::kMiB);
  file << std::string(64 * base::kKiB, 'x');
  file.close();
  DiskMeter::Options options;
  options.file = path;
  options.engine = memory::IoEngine::kPread;
  options.memory_bytes = base::kMiB;
  const auto meter = DiskMeter::Create(options);
  ASSERT_TRUE(meter.ok()) << meter.status();
  const auto small = (*meter)->Measure({.request_bytes = 64 * base::kKiB},
                                       absl::Milliseconds(1));
  ASSERT_TRUE(small.ok()) << small.status();
  EXPECT_GT(small->bytes_per_second, 0);
  const auto large = (*meter)->Measure({.request_bytes = 128 * base::kKiB},
                                       absl::Milliseconds(1));
  EXPECT_EQ(large.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(large.status().message(), HasSubstr("131072"));
}

}  // namespace
}  // namespace shoal::worker

// A store that is damaged, and a disk that is full, as a person meets them.

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::ProgramResult;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class StoreFaultTest : public testing::FleetProcessesTest {
 protected:
  ProgramResult Story(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"--max-tokens",  "20", "--local", "2",
                                      "--temperature", "0"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(StoryRun(words));
  }

  // The file of units of local-1.
  std::string UnitsOfWorker() const {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(cache_.path())) {
      const std::string path = entry.path();
      if (entry.path().extension() == ".bin" &&
          path.find("/local-1/") != std::string::npos) {
        return path;
      }
    }
    return "";
  }
};

// Flips a bit in the middle of what the sparse file holds.
void FlipABit(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
  constexpr size_t kBlock = 4096;
  std::vector<size_t> blocks;
  for (size_t at = 0; at + kBlock <= content.size(); at += kBlock) {
    if (content.find_first_not_of('\0', at) < at + kBlock) blocks.push_back(at);
  }
  ASSERT_FALSE(blocks.empty());
  const size_t at = content.find_first_not_of('\0', blocks[blocks.size() / 2]);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(content[at] ^ 1));
}

TEST_F(StoreFaultTest, AFlippedBitIsToldAndMendedAndTheTextIsTheSame) {
  const ProgramResult before = Story();
  ASSERT_EQ(before.exit_code, 0) << before.err;
  EXPECT_THAT(before.err, Not(HasSubstr("checksum")));
  const std::string path = UnitsOfWorker();
  ASSERT_FALSE(path.empty());
  FlipABit(path);
  EXPECT_EQ(Run({"store", "verify"}).exit_code, 1);

  const ProgramResult after = Story();
  EXPECT_EQ(after.exit_code, 0) << after.err;
  EXPECT_EQ(after.out, before.out);
  EXPECT_THAT(after.err, AllOf(HasSubstr("local-1: "), HasSubstr(path),
                               HasSubstr("checksum mismatch, fetching it")));
  EXPECT_EQ(Run({"store", "verify"}).exit_code, 0);
  EXPECT_THAT(Story().err, Not(HasSubstr("checksum")));
}

TEST_F(StoreFaultTest, AFullDiskIsToldWithTheDeviceAndWhatIsMissing) {
  const std::string disk = cache_.File("disk");
  std::filesystem::create_directory(disk);
  // A small disk that this process alone, and what it starts, can see.
  if (unshare(CLONE_NEWNS) != 0 ||
      mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "no right to make a small disk";
  }
  const ProgramResult result = Story({"--store", disk});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("shoal: local-"), HasSubstr("is full"),
                    HasSubstr("bytes are free"), HasSubstr(disk)));
  umount(disk.c_str());
}

}  // namespace
}  // namespace shoal

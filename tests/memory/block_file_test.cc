#include "memory/block_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>

#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory/file_system.h"
#include "memory/slab.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::memory {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string WriteFile(const testing::TemporaryFolder& folder, size_t bytes) {
  std::string content(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>(i * 31 / 7);
  const std::string path = folder.File("units");
  std::ofstream(path, std::ios::binary) << content;
  return content;
}

absl::string_view View(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(BlockFileTest, BothEnginesReadTheSameBytesOfARealFile) {
  const testing::TemporaryFolder folder;
  const std::string content = WriteFile(folder, 64 * base::kKiB);
  for (const bool direct : {true, false}) {
    auto file = direct ? FileSystem::Real().OpenForReading(folder.File("units"))
                       : OpenBuffered(folder.File("units"));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_THAT((*file)->engine(), AnyOf("direct", "buffered"));
    EXPECT_EQ(kStoreAlignment % (*file)->alignment(), 0u);
    auto slab = Slab::Create(20 * base::kKiB);
    ASSERT_TRUE(slab.ok()) << slab.status();
    for (const uint64_t offset : {0, 4096, 45056}) {
      const auto to = slab->span().first(20480);
      ASSERT_EQ((*file)->ReadAt(offset, to), absl::OkStatus());
      EXPECT_EQ(View(to), absl::string_view(content).substr(offset, 20480));
    }
  }
}

TEST(BlockFileTest, AReadBeyondTheEndIsOutOfRangeAndNamesTheFile) {
  const testing::TemporaryFolder folder;
  WriteFile(folder, 10000);  // ends within a block
  auto file = FileSystem::Real().OpenForReading(folder.File("units"));
  ASSERT_TRUE(file.ok()) << file.status();
  auto slab = Slab::Create(8192);
  ASSERT_TRUE(slab.ok()) << slab.status();
  const absl::Status status = (*file)->ReadAt(4096, slab->span());
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder.File("units")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("10000"));
}

TEST(BlockFileTest, AMissingFileIsNotFound) {
  EXPECT_EQ(FileSystem::Real().OpenForReading("/no/such/file").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(BlockFileDeathTest, AnUnalignedDirectReadIsABug) {
  const testing::TemporaryFolder folder;
  WriteFile(folder, 16384);
  auto file = FileSystem::Real().OpenForReading(folder.File("units"));
  ASSERT_TRUE(file.ok()) << file.status();
  if ((*file)->engine() != "direct") {
    GTEST_SKIP() << "no direct I/O in " << folder.path();
  }
  auto slab = Slab::Create(8192);
  ASSERT_TRUE(slab.ok()) << slab.status();
  const auto to = slab->span();
  EXPECT_DEATH((*file)->ReadAt(512, to.first(4096)).IgnoreError(), "offset");
  EXPECT_DEATH((*file)->ReadAt(0, to.first(100)).IgnoreError(), "size 100");
  EXPECT_DEATH((*file)->ReadAt(0, to.subspan(8, 4096)).IgnoreError(), "size");
}

TEST(ReadFullyTest, GoesOnAtABlockAfterAShortRead) {
  std::string content(20000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i);
  for (const uint64_t step : {4096, 5000, 8191, 20000}) {
    std::vector<std::byte> to(16384);
    std::vector<uint64_t> offsets;
    ASSERT_EQ(
        ReadFully("f", 4096, 0, to,
                  [&](uint64_t at,
                      std::span<std::byte> part) -> absl::StatusOr<uint64_t> {
                    offsets.push_back(at);
                    const uint64_t count =
                        std::min<uint64_t>(step, part.size());
                    std::memcpy(part.data(), content.data() + at, count);
                    return count;
                  }),
        absl::OkStatus());
    EXPECT_EQ(View(to), absl::string_view(content).substr(0, 16384));
    for (const uint64_t offset : offsets) EXPECT_EQ(offset % 4096, 0u) << step;
  }
}

TEST(ReadFullyTest, ReadsThatBringNothingNewEndTheLoop) {
  std::vector<std::byte> to(8192);
  const absl::Status status =
      ReadFully("f", 4096, 0, to,
                [](uint64_t, std::span<std::byte>) -> absl::StatusOr<uint64_t> {
                  return 1000;
                });
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
}

TEST(ReadFullyTest, PassesAnErrorOn) {
  std::vector<std::byte> to(8192);
  EXPECT_EQ(
      ReadFully("f", 4096, 0, to,
                [](uint64_t, std::span<std::byte>) -> absl::StatusOr<uint64_t> {
                  return absl::UnavailableError("EIO");
                }),
      absl::UnavailableError("EIO"));
}

}  // namespace
}  // namespace shoal::memory

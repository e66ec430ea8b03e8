#include "memory/store_manifest.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/testing/fake_files.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::memory {
namespace {

constexpr uint64_t kRecordBytes = 48;
constexpr uint32_t kLayout = 3;
constexpr uint64_t kGrid = 77;

StoredUnit Unit(uint32_t number) {
  return {.offset = number * 4096ull,
          .bytes = number + 1,
          .digest = {.high = number, .low = 5},
          .crc32c = number * 3};
}

class StoreManifestTest : public ::testing::Test {
 protected:
  std::unique_ptr<StoreManifest> Open(uint32_t layout_id = kLayout,
                                      uint64_t grid = kGrid) {
    auto manifest =
        StoreManifest::Open(FileSystem::Real(), path_, layout_id, grid);
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    return *std::move(manifest);
  }

  std::string ReadFile() {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void WriteFile(const std::string& content) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << content;
  }

  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_.File("journal");
};

TEST_F(StoreManifestTest, ReopensWithWhatWasAddedReplacedAndRemoved) {
  {
    const auto manifest = Open();
    for (uint32_t i = 0; i < 5; ++i) {
      ASSERT_EQ(manifest->Add(i, Unit(i)), absl::OkStatus());
    }
    ASSERT_EQ(manifest->Remove(1), absl::OkStatus());
    ASSERT_EQ(manifest->Add(2, Unit(40)), absl::OkStatus());
    ASSERT_EQ(manifest->Sync(), absl::OkStatus());
  }
  const auto manifest = Open();
  EXPECT_EQ(manifest->units().size(), 4u);
  EXPECT_FALSE(manifest->units().contains(1));
  const StoredUnit& unit = manifest->units().at(2);
  EXPECT_EQ(unit.offset, 40 * 4096u);
  EXPECT_EQ(unit.bytes, 41u);
  EXPECT_EQ(unit.digest, (base::Digest{.high = 40, .low = 5}));
  EXPECT_EQ(unit.crc32c, 120u);
}

TEST_F(StoreManifestTest, ATornTailCostsItsRecordAloneWhereverItIsCut) {
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_EQ(Open()->Add(i, Unit(i)), absl::OkStatus());
  }
  const std::string whole = ReadFile();
  ASSERT_EQ(whole.size(), 4 * kRecordBytes);
  for (uint64_t cut = 1; cut <= kRecordBytes; ++cut) {
    WriteFile(whole.substr(0, whole.size() - cut));
    const auto manifest = Open();
    EXPECT_EQ(manifest->units().size(), 2u) << "cut by " << cut;
    // And what is added then is found again.
    ASSERT_EQ(manifest->Add(9, Unit(9)), absl::OkStatus());
    EXPECT_EQ(Open()->units().size(), 3u) << "cut by " << cut;
    EXPECT_TRUE(Open()->units().contains(9));
  }
}

TEST_F(StoreManifestTest, AFlippedBitCostsItsRecordAlone) {
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_EQ(Open()->Add(i, Unit(i)), absl::OkStatus());
  }
  const std::string whole = ReadFile();
  for (uint64_t at = 2 * kRecordBytes; at < 3 * kRecordBytes; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 16);
    WriteFile(damaged);
    const auto manifest = Open();
    EXPECT_EQ(manifest->units().size(), 2u) << "byte " << at;
    EXPECT_FALSE(manifest->units().contains(1)) << "byte " << at;
  }
}

TEST_F(StoreManifestTest, AnotherLayoutGridOrADamagedHeaderStartsAnew) {
  ASSERT_EQ(Open()->Add(1, Unit(1)), absl::OkStatus());
  const std::string whole = ReadFile();
  EXPECT_TRUE(Open(kLayout + 1, kGrid)->units().empty());
  WriteFile(whole);
  EXPECT_TRUE(Open(kLayout, kGrid + 1)->units().empty());
  for (const uint64_t at : {0, 9, 47}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    WriteFile(damaged);
    EXPECT_EQ(StoreManifest::Load(path_).status().code(),
              absl::StatusCode::kDataLoss);
    EXPECT_TRUE(Open()->units().empty()) << "byte " << at;
  }
  WriteFile(whole.substr(0, 20));
  EXPECT_TRUE(Open()->units().empty());
  WriteFile(whole);
  EXPECT_EQ(Open()->units().size(), 1u);
}

TEST_F(StoreManifestTest, LoadReadsAndMakesNothing) {
  EXPECT_EQ(StoreManifest::Load(path_).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_EQ(Open()->Add(1, Unit(1)), absl::OkStatus());
  const auto units = StoreManifest::Load(path_);
  ASSERT_TRUE(units.ok()) << units.status();
  EXPECT_EQ(units->size(), 1u);
}

TEST_F(StoreManifestTest, ReplacedRecordsAreLeftOutBeforeTheyPileUp) {
  {
    const auto manifest = Open();
    for (uint32_t i = 0; i < 3000; ++i) {
      ASSERT_EQ(manifest->Add(i % 7, Unit(i)), absl::OkStatus());
    }
  }
  EXPECT_EQ(ReadFile().size(), 3001 * kRecordBytes);
  EXPECT_EQ(Open()->units().at(2999 % 7).crc32c, 2999 * 3u);
  EXPECT_EQ(ReadFile().size(), 8 * kRecordBytes);
}

TEST_F(StoreManifestTest, ARecordThatCannotBeWrittenIsNotRemembered) {
  testing::FaultyFileSystem files;
  auto manifest = StoreManifest::Open(files, path_, kLayout, kGrid);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  ASSERT_EQ((*manifest)->Add(1, Unit(1)), absl::OkStatus());
  files.set_free_bytes(10);
  EXPECT_EQ((*manifest)->Add(2, Unit(2)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ((*manifest)->Remove(1).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ((*manifest)->units().size(), 1u);
  EXPECT_EQ(Open()->units().size(), 1u);
}

}  // namespace
}  // namespace shoal::memory

#include "cli/watch_file.h"

#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;

class WatchFileTest : public ::testing::Test {
 protected:
  WatchFileTest() {
    const auto writer = WatchFileWriter::Create(path_);
    EXPECT_TRUE(writer.ok()) << writer.status();
    for (int64_t i = 1; i <= 3; ++i) {
      proto::WatchUpdate update;
      update.mutable_snapshot()->set_time_unix_ms(1000 * i);
      update.mutable_snapshot()->mutable_status()->set_model_name(
          std::string(100, 'm'));
      update.add_events()->set_text(absl::StrCat("event ", i));
      EXPECT_TRUE((*writer)->Write(update).ok());
      ends_.push_back(Bytes().size());
    }
  }

  std::string Bytes() const {
    std::stringstream bytes;
    bytes << std::ifstream(path_, std::ios::binary).rdbuf();
    return bytes.str();
  }
  void Put(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  // How many updates can be read, and how that ends.
  std::pair<size_t, absl::Status> ReadAll() const {
    const auto reader = WatchFileReader::Open(path_);
    if (!reader.ok()) return {0, reader.status()};
    proto::WatchUpdate update;
    for (size_t count = 0;; ++count) {
      const auto more = (*reader)->Next(update);
      if (!more.ok()) return {count, more.status()};
      if (!*more) return {count, absl::OkStatus()};
      EXPECT_LE(count, 1000u);
    }
  }

  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_.File("watch");
  std::vector<size_t> ends_;
};

TEST_F(WatchFileTest, WhatWasWrittenIsRead) {
  const auto reader = WatchFileReader::Open(path_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  proto::WatchUpdate update;
  for (int64_t i = 1; i <= 3; ++i) {
    const auto more = (*reader)->Next(update);
    ASSERT_TRUE(more.ok() && *more);
    EXPECT_EQ(update.snapshot().time_unix_ms(), 1000 * i);
    ASSERT_EQ(update.events_size(), 1);
    EXPECT_EQ(update.events(0).text(), absl::StrCat("event ", i));
  }
  const auto more = (*reader)->Next(update);
  ASSERT_TRUE(more.ok());
  EXPECT_FALSE(*more);
}

TEST_F(WatchFileTest, WhereverTheFileIsCutWhatCameBeforeIsRead) {
  const std::string whole = Bytes();
  for (size_t size = 0; size <= whole.size(); ++size) {
    Put(whole.substr(0, size));
    const auto [count, status] = ReadAll();
    size_t expected = 0;
    bool at_end = size == 0;
    for (const size_t end : ends_) {
      if (end <= size) ++expected;
      if (end == size) at_end = true;
    }
    EXPECT_EQ(count, expected) << size;
    EXPECT_EQ(status.code(),
              at_end ? absl::StatusCode::kOk : absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST_F(WatchFileTest, AnErrorNamesTheByte) {
  Put(Bytes().substr(0, ends_[0]) + "\xff\xff\xff\xff\xff\xff");
  const auto [count, status] = ReadAll();
  EXPECT_EQ(count, 1u);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(absl::StrCat("at byte ", ends_[0])));
}

TEST_F(WatchFileTest, AnUpdateOfAnyAnnouncedSizeTakesNoMoreMemoryThanAllowed) {
  Put("\xff\xff\xff\xff\x0f");  // 4 GiB
  EXPECT_EQ(ReadAll().second.code(), absl::StatusCode::kDataLoss);
}

TEST_F(WatchFileTest, DamagedBytesAreAnErrorOrOtherFiguresAndNothingWorse) {
  const std::string whole = Bytes();
  constexpr uint32_t kSeed = 7;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 4; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    Put(bytes);
    const auto [count, status] = ReadAll();
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
  }
}

TEST_F(WatchFileTest, AFileThatIsNotThereIsAnError) {
  EXPECT_EQ(WatchFileReader::Open(folder_.File("none")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(WatchFileReader::Open(folder_.path()).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(WatchFileWriter::Create(folder_.File("no/folder")).status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace shoal::cli

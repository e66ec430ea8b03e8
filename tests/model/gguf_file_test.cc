#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf.h"
#include "tests/model/allocation_probe.h"
#include "tests/model/gguf_builder.h"
#include "tests/model/temp_folder.h"

namespace shoal::model {
namespace {

using testing::Bytes;
using testing::FileSpec;
using ::testing::HasSubstr;
using testing::ValidSpec;

class GgufFileTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes) {
    const std::string path = folder_.File("m.gguf");
    testing::WriteText(path, bytes);
    return path;
  }

  testing::TempFolder folder_;
};

TEST_F(GgufFileTest, NamesMissingFilesAndFolders) {
  const absl::Status missing =
      GgufHeader::ReadFile(folder_.File("none.gguf")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("none.gguf"));
  const absl::Status folder = GgufHeader::ReadFile(folder_.path()).status();
  EXPECT_EQ(folder.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(folder.message()), HasSubstr("not a regular file"));
}

TEST_F(GgufFileTest, RefusesFilesThatMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const std::string path = Write(ValidSpec().Build());
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(GgufHeader::ReadFile(path).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(GgufFileTest, ReadsHeadersLongerThanTheFirstRead) {
  FileSpec spec = ValidSpec();
  Bytes words;
  constexpr uint64_t kWords = 200'000;
  words.U32(testing::kArrayId).U32(testing::kStringId).U64(kWords);
  for (uint64_t i = 0; i < kWords; ++i) words.String("word");
  spec.metadata.emplace_back("words", words);
  const std::string path = Write(spec.Build());
  std::filesystem::resize_file(path, uint64_t{1} << 30);
  testing::ResetLargestAllocation();
  const auto header = GgufHeader::ReadFile(path);
  // No more than the next power of two is read.
  EXPECT_LT(testing::LargestAllocationBytes(), size_t{16} << 20);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(std::get<std::vector<std::string>>(
                std::get<GgufArray>(*header->Find("words")))
                .size(),
            kWords);
}

TEST_F(GgufFileTest, AFileOf40GigabytesTakesLittleMemory) {
  constexpr uint64_t kCols = uint64_t{1} << 20;
  constexpr uint64_t kRows = 10'000;
  FileSpec spec = ValidSpec();
  spec.tensors.push_back(
      {.name = "large", .dims = {kCols, kRows}, .offset = 192});
  const std::string path = Write(spec.Build());
  const uint64_t file_bytes =
      std::filesystem::file_size(path) + kCols * kRows * sizeof(float);
  std::error_code error;
  std::filesystem::resize_file(path, file_bytes, error);
  if (error) GTEST_SKIP() << "no sparse file here: " << error.message();

  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  const auto header = GgufHeader::ReadFile(path);
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->file_size(), file_bytes);
  EXPECT_EQ(header->FindTensor("large")->bytes, kCols * kRows * sizeof(float));
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 8 * 1024) << "KiB";
}

TEST_F(GgufFileTest, AHeaderAboveTheLimitIsGivenUp) {
  FileSpec spec = ValidSpec();
  spec.metadata.emplace_back("long", Bytes()
                                         .U32(testing::kArrayId)
                                         .U32(testing::kUint64Id)
                                         .U64(uint64_t{1} << 24));
  const std::string path = Write(spec.Build());
  std::filesystem::resize_file(path, uint64_t{1} << 30);
  const absl::Status status = GgufHeader::ReadFile(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("a header may have 134217728 bytes"));
}

}  // namespace
}  // namespace shoal::model

#include "coordinator/digest_cache.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace shoal::coordinator {
namespace {

class DigestCacheTest : public ::testing::Test {
 protected:
  DigestCacheTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    directory_ = ::testing::TempDir() + "digest_cache_" + test->name();
    std::filesystem::remove_all(directory_);
    identity_ = {"/models/a.gguf", {1000}, {77}, {5}, "id"};
  }

  std::filesystem::path OnlyFile() const {
    return std::filesystem::directory_iterator(directory_)->path();
  }

  std::string directory_;
  FileIdentity identity_;
  const UnitDigests digests_ = {base::Digest{1, 2}, std::nullopt,
                                base::Digest{3, 4}};
  const UnitDigests none_ = UnitDigests(3);
};

TEST_F(DigestCacheTest, ReturnsWhatWasSaved) {
  ASSERT_TRUE(SaveDigests(directory_, identity_, digests_).ok());
  EXPECT_EQ(LoadDigests(directory_, identity_, 3), digests_);
}

TEST_F(DigestCacheTest, KnowsNothingWithoutAFile) {
  EXPECT_EQ(LoadDigests(directory_, identity_, 3), none_);
}

TEST_F(DigestCacheTest, KnowsNothingOfAFileThatChanged) {
  ASSERT_TRUE(SaveDigests(directory_, identity_, digests_).ok());
  for (int field = 0; field < 4; ++field) {
    FileIdentity other = identity_;
    if (field == 0) other.sizes[0] += 1;
    if (field == 1) other.modified_ns[0] += 1;
    if (field == 2) other.inodes[0] += 1;
    if (field == 3) other.model_id += "x";
    EXPECT_EQ(LoadDigests(directory_, other, 3), none_) << "field " << field;
  }
  EXPECT_EQ(LoadDigests(directory_, identity_, 2), UnitDigests(2));
}

TEST_F(DigestCacheTest, KnowsNothingFromADamagedFile) {
  ASSERT_TRUE(SaveDigests(directory_, identity_, digests_).ok());
  const auto size = std::filesystem::file_size(OnlyFile());
  for (uint64_t at = 0; at < size; ++at) {
    std::fstream file(OnlyFile(),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1));
    file.close();
    EXPECT_EQ(LoadDigests(directory_, identity_, 3), none_) << "byte " << at;
    ASSERT_TRUE(SaveDigests(directory_, identity_, digests_).ok());
  }
  std::filesystem::resize_file(OnlyFile(), size - 1);
  EXPECT_EQ(LoadDigests(directory_, identity_, 3), none_);
}

TEST_F(DigestCacheTest, SavingWhereNothingCanBeWrittenIsAnError) {
  std::filesystem::create_directories(directory_);
  std::ofstream(directory_ + "/file") << "x";
  EXPECT_EQ(SaveDigests(directory_ + "/file/below", identity_, digests_).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(DigestCacheTest, AMissingModelHasNoIdentity) {
  EXPECT_EQ(FileIdentity::Of(directory_ + "/missing", "id").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace shoal::coordinator

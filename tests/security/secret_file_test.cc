#include "security/secret_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/testing/temporary_folder.h"

namespace shoal::security {
namespace {

using ::testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
  struct stat facts = {};
  EXPECT_EQ(stat(path.c_str(), &facts), 0) << path;
  return facts.st_mode & 0777;
}

TEST(SecretFileTest, ASecretIsItsOwnersWhateverWasThereBefore) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.File("key");
  const mode_t old = umask(0);
  ASSERT_TRUE(WriteSecretFile(path, "a", FileReaders::kEveryone).ok());
  EXPECT_EQ(ModeOf(path), 0644u);
  ASSERT_TRUE(WriteSecretFile(path, "bb", FileReaders::kOwner).ok());
  umask(old);
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_EQ(*ReadSecretFile(path, FileReaders::kOwner), "bb");
  // Nothing temporary is left.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()),
                          std::filesystem::directory_iterator()),
            1);
}

TEST(SecretFileTest, ASecretThatOthersMayReadIsRefusedWithTheRemedy) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.File("key");
  ASSERT_TRUE(WriteSecretFile(path, "secret", FileReaders::kOwner).ok());
  for (const mode_t mode : {0604, 0640, 0620, 0666}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const auto content = ReadSecretFile(path, FileReaders::kOwner);
    EXPECT_EQ(content.status().code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(std::string(content.status().message()),
                HasSubstr("chmod 600 " + path));
    EXPECT_TRUE(ReadSecretFile(path, FileReaders::kEveryone).ok());
  }
}

TEST(SecretFileTest, WhatIsNoSuchFileIsNamed) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(
      ReadSecretFile(folder.File("none"), FileReaders::kOwner).status().code(),
      absl::StatusCode::kNotFound);
  EXPECT_EQ(
      ReadSecretFile(folder.path(), FileReaders::kEveryone).status().code(),
      absl::StatusCode::kInvalidArgument);
  const std::string large = folder.File("large");
  ASSERT_TRUE(WriteSecretFile(large, std::string(kSecretFileBytesMax + 1, 'a'),
                              FileReaders::kOwner)
                  .ok());
  EXPECT_EQ(ReadSecretFile(large, FileReaders::kOwner).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      WriteSecretFile(folder.File("none/key"), "a", FileReaders::kOwner).code(),
      absl::StatusCode::kNotFound);
}

TEST(SecretFileTest, AFolderOfSecretsIsClosedToOthers) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.File("a/b/c");
  ASSERT_TRUE(MakeSecretFolder(path).ok());
  ASSERT_TRUE(MakeSecretFolder(path).ok());
  for (const char* made : {"a", "a/b", "a/b/c"}) {
    EXPECT_EQ(ModeOf(folder.File(made)), 0700u);
  }
  ASSERT_TRUE(
      WriteSecretFile(folder.File("file"), "", FileReaders::kOwner).ok());
  EXPECT_EQ(MakeSecretFolder(folder.File("file")).code(),
            absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace shoal::security

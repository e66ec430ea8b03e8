#include "security/fleet_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "security/secret_file.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::security {
namespace {

using ::testing::HasSubstr;

// A folder of secrets, made anew for each test.
class FleetSecretsTest : public ::testing::Test {
 protected:
  FleetSecretsTest() {
    auto made = CreateFleetSecrets(folder_, "home");
    EXPECT_TRUE(made.ok()) << made.status();
    if (made.ok()) made_ = *made;
  }

  void ExpectRefused(absl::StatusCode code, const std::string& text) {
    const absl::Status status = LoadFleetSecrets(folder_).status();
    EXPECT_EQ(status.code(), code);
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }

  const testing::TemporaryFolder parent_;
  const std::string folder_ = parent_.File("shoal/home");
  const FleetSecretFiles files_ = FilesIn(folder_);
  FleetSecrets made_;
};

TEST_F(FleetSecretsTest, WhatIsLoadedIsWhatWasMade) {
  const auto loaded = LoadFleetSecrets(folder_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->authority.key_pem, made_.authority.key_pem);
  EXPECT_EQ(loaded->authority.certificate_pem, made_.authority.certificate_pem);
  EXPECT_EQ(loaded->server.key_pem, made_.server.key_pem);
  EXPECT_EQ(loaded->server.certificate_pem, made_.server.certificate_pem);
  EXPECT_EQ(loaded->token, made_.token);
  EXPECT_EQ(*NameIn(loaded->authority.certificate_pem), "home");
}

TEST_F(FleetSecretsTest, SecretsAreNeverReplaced) {
  ASSERT_EQ(remove(files_.token.c_str()), 0);
  EXPECT_EQ(CreateFleetSecrets(folder_, "home").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*ReadSecretFile(files_.authority_key, FileReaders::kOwner),
            made_.authority.key_pem);
}

TEST_F(FleetSecretsTest, KeysAndTokenAreTheOwnersAlone) {
  for (const std::string& path :
       {files_.authority_key, files_.server_key, files_.token}) {
    struct stat facts = {};
    ASSERT_EQ(stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << path;
    ASSERT_EQ(chmod(path.c_str(), 0644), 0);
    ExpectRefused(absl::StatusCode::kPermissionDenied, "chmod 600 " + path);
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  }
}

TEST_F(FleetSecretsTest, AMissingFileIsNamed) {
  ASSERT_EQ(remove(files_.server_key.c_str()), 0);
  ExpectRefused(absl::StatusCode::kNotFound, files_.server_key);
}

TEST_F(FleetSecretsTest, FilesOfTwoFleetsAreNotMixed) {
  const auto other = MakeFleetSecrets("home");
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE(
      WriteSecretFile(files_.token, other->token.ToText(), FileReaders::kOwner)
          .ok());
  ExpectRefused(absl::StatusCode::kInvalidArgument, "for another fleet");
  ASSERT_TRUE(
      WriteSecretFile(files_.token, made_.token.ToText(), FileReaders::kOwner)
          .ok());
  ASSERT_TRUE(WriteSecretFile(files_.server_key, other->server.key_pem,
                              FileReaders::kOwner)
                  .ok());
  ExpectRefused(absl::StatusCode::kInvalidArgument, files_.server_certificate);
  ASSERT_TRUE(WriteSecretFile(files_.server_certificate,
                              other->server.certificate_pem,
                              FileReaders::kEveryone)
                  .ok());
  ExpectRefused(absl::StatusCode::kPermissionDenied, files_.server_certificate);
}

}  // namespace
}  // namespace shoal::security

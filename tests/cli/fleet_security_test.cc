#include "cli/fleet_security.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string SomeToken() {
  return security::MakeFleetSecrets("home")->token.ToText();
}

TEST(TakeArgumentsTest, OverwritesTokensAndNothingElse) {
  const std::string token = SomeToken();
  std::vector<std::string> given = {
      "shoal",        "worker",
      "--join",       absl::StrCat("pi:7070#", token),
      token,          "a#b",
      "shoal worker", absl::StrCat("--join=pi:7070#", token.substr(0, 12))};
  std::vector<std::string> memory = given;
  std::vector<char*> argv;
  for (std::string& word : memory) argv.push_back(word.data());
  EXPECT_EQ(TakeArguments(static_cast<int>(argv.size()), argv.data()), given);
  EXPECT_THAT(
      memory,
      ElementsAre("shoal", "worker", "--join",
                  absl::StrCat("pi:7070#", std::string(63, '*')),
                  std::string(63, '*'), "a#b", "shoal worker",
                  absl::StrCat("--join=pi:7070#", std::string(12, '*'))));
}

TEST(WithoutTokensTest, CutsEveryTokenAndNothingElse) {
  const std::string token = SomeToken();
  EXPECT_EQ(WithoutTokens("shoal1- begins a token"), "shoal1- begins a token");
  EXPECT_EQ(WithoutTokens(absl::StrCat("pi:1#", token, " and '", token, "'.")),
            "pi:1#shoal1-... and 'shoal1-...'.");
  EXPECT_EQ(WithoutTokens("no secret"), "no secret");
}

class FleetSecurityTest : public ::testing::Test {
 protected:
  const testing::TemporaryFolder folder_;
  SessionOptions options_;
};

TEST_F(FleetSecurityTest, LoopbackNeedsNoneUnlessAFolderIsNamed) {
  options_.listen_address = "127.0.0.1:0";
  EXPECT_EQ(FleetSecurityOf(options_)->secrets, nullptr);
  options_.secrets = folder_.File("home");
  EXPECT_EQ(FleetSecurityOf(options_).status().code(),
            absl::StatusCode::kNotFound);
  options_.makes_secrets = true;
  const auto made = FleetSecurityOf(options_);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_NE(made->secrets, nullptr);
  options_.makes_secrets = false;
  EXPECT_EQ(FleetSecurityOf(options_)->secrets->token, made->secrets->token);
}

TEST_F(FleetSecurityTest, BeyondLoopbackThereAreSecretsOrItIsInsecure) {
  ASSERT_EQ(setenv("XDG_CONFIG_HOME", folder_.path().c_str(), 1), 0);
  options_.listen_address = "0.0.0.0:0";
  const auto made = FleetSecurityOf(options_);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_NE(made->secrets, nullptr);
  EXPECT_EQ(made->folder, folder_.File("shoal/fleet"));
  EXPECT_EQ(FleetSecurityOf(options_)->secrets->token, made->secrets->token);
  options_.insecure = true;
  EXPECT_EQ(FleetSecurityOf(options_)->secrets, nullptr);
  options_.secrets = folder_.File("home");
  EXPECT_EQ(FleetSecurityOf(options_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(FleetSecurityTest, ATokenOfOnesOwnStaysOnThisMachine) {
  options_.listen_address = "0.0.0.0:0";
  options_.token = "my-own";
  const absl::Status status = FleetSecurityOf(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--secrets"));
  options_.listen_address = "127.0.0.1:0";
  EXPECT_TRUE(FleetSecurityOf(options_).ok());
}

}  // namespace
}  // namespace shoal::cli

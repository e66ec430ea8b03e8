// shoal init: the file, the secrets, and what it never overwrites.

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/cluster_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "security/fleet_secrets.h"
#include "tests/cli/program.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class InitTest : public ::testing::Test {
 protected:
  InitTest() : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder_.path());
  }
  ~InitTest() override { std::filesystem::current_path(before_); }

  static std::string Model() {
    return absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                        "/models/shoal-stories-3m-q8_0.gguf");
  }
  static std::string Contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const testing::TemporaryFolder folder_;
  const std::filesystem::path before_;
};

TEST_F(InitTest, WritesAFileThatIsRightAndSecretsThatFit) {
  const ProgramResult made =
      RunProgram({"init", "home", "-m", Model(), "--listen", "10.1.2.3"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto config = ReadClusterConfig("home.textproto");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name, "home");
  EXPECT_EQ(config->listen, "10.1.2.3:7070");
  EXPECT_EQ(config->model_file, Model());
  EXPECT_TRUE(config->devices.empty());
  const auto secrets = security::LoadFleetSecrets(config->secrets);
  ASSERT_TRUE(secrets.ok()) << secrets.status();
  EXPECT_EQ(made.out, absl::StrCat("shoal worker --join 10.1.2.3:7070#",
                                   secrets->token.ToText(), "\n"));
  struct stat facts = {};
  ASSERT_EQ(stat("home.secrets", &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
}

TEST_F(InitTest, OffersAnAddressOfThisMachine) {
  const ProgramResult made = RunProgram({"init", "home", "-m", Model()});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out,
              MatchesRegex("shoal worker --join "
                           "[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+:7070#shoal1-"
                           "[a-z2-7]+\n"));
}

TEST_F(InitTest, NeverOverwritesWhatIsThere) {
  ASSERT_EQ(RunProgram({"init", "home", "-m", Model()}).exit_code, 0);
  const std::string file = Contents("home.textproto");
  const std::string token = Contents("home.secrets/token");
  const ProgramResult again = RunProgram({"init", "home", "-m", Model()});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("home.secrets is there already"));
  std::filesystem::rename("home.secrets", "kept");
  const ProgramResult without = RunProgram({"init", "home", "-m", Model()});
  EXPECT_EQ(without.exit_code, 1);
  EXPECT_THAT(without.err, HasSubstr("home.textproto is there already"));
  EXPECT_FALSE(std::filesystem::exists("home.secrets"));
  EXPECT_EQ(Contents("home.textproto"), file);
  EXPECT_EQ(Contents("kept/token"), token);
}

TEST_F(InitTest, RefusesWhatCannotRunBeforeAnythingIsWritten) {
  const ProgramResult no_model =
      RunProgram({"init", "home", "-m", "/nonexistent.gguf"});
  EXPECT_EQ(no_model.exit_code, 1);
  EXPECT_THAT(no_model.err, HasSubstr("/nonexistent.gguf"));
  for (const std::string name : {"", "a/b", "-x", ".hidden", "two words"}) {
    EXPECT_NE(RunProgram({"init", name, "-m", Model()}).exit_code, 0) << name;
  }
  EXPECT_EQ(RunProgram({"init", "home", "-m", Model(), "--listen", "1.2.3.4:0"})
                .exit_code,
            2);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace shoal::cli

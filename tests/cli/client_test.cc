// run, chat, status and nodes as clients of a coordinator that runs already.

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/cli/program.h"
#include "tests/testing/free_port.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() : address_(absl::StrCat("127.0.0.1:", testing::FreePort())) {
    WriteFile("");
  }

  void WriteFile(const std::string& more) {
    std::ofstream(file_)
        << "listen: \"" << address_
        << "\" devices { name: \"desk\" ram_cap: \"64MiB\" threads: 1 } "
           "devices { name: \"helper\" local: true ram_cap: \"64MiB\" "
           "threads: 1 } "
        << more << "model { file: \"" << std::getenv("SHOAL_SOURCE_DIR")
        << "/models/shoal-stories-3m-q8_0.gguf\" }";
  }
  ProgramOptions Environment(const std::string& input = "") const {
    return {.input = input,
            .environment = {{"XDG_CACHE_HOME", folder_.File("cache")}}};
  }
  ProgramResult Run(std::vector<std::string> words,
                    const std::string& input = "") const {
    return RunProgram(words, Environment(input));
  }
  // A service of the fleet that is ready.
  void StartService() {
    service_ = std::make_unique<Program>(
        std::vector<std::string>{"serve", "--cluster", file_, "--http",
                                 "127.0.0.1:0"},
        Environment());
    ASSERT_TRUE(service_->WaitForError("ready: "));
  }
  std::vector<std::string> Story(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {
        "run", "--raw",         "-p", "Once upon a", "--max-tokens",
        "8",   "--temperature", "0"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  const testing::TemporaryFolder folder_;
  const std::string address_;
  const std::string file_ = folder_.File("fleet.textproto");
  std::unique_ptr<Program> service_;
};

TEST_F(ClientTest, RunAsksTheServiceOfItsFleetAndGetsTheSameText) {
  const ProgramResult alone = Run(Story({"--cluster", file_}));
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  StartService();
  const ProgramResult asked = Run(Story({"--cluster", file_}));
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_EQ(asked.out, alone.out);
  EXPECT_THAT(asked.err, HasSubstr("asking the coordinator desk at "));
  EXPECT_THAT(asked.err, HasSubstr("8 tokens, "));
  const ProgramResult named = Run(Story({"--coordinator", address_}));
  EXPECT_EQ(named.out, alone.out);
  const auto object = nlohmann::json::parse(
      Run(Story({"--coordinator", address_, "--json"})).out);
  EXPECT_EQ(object["text"].get<std::string>() + "\n", alone.out);
  EXPECT_EQ(object["token_ids"].size(), 8u);
  EXPECT_EQ(object["finish_reason"], "length");
}

TEST_F(ClientTest, ChatAsksTheServiceAndRemembersTheConversation) {
  const std::vector<std::string> words = {
      "chat",         "--cluster", file_,           "--raw",
      "--max-tokens", "6",         "--temperature", "0"};
  const std::string input = "Once upon a time\nThe end.\n";
  const ProgramResult alone = Run(words, input);
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  StartService();
  const ProgramResult asked = Run(words, input);
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_EQ(asked.out, alone.out);
  EXPECT_THAT(asked.err, HasSubstr("asking the coordinator desk"));
}

TEST_F(ClientTest, StatusAndNodesTellWhoIsThere) {
  StartService();
  const ProgramResult status = Run({"status", file_});
  EXPECT_EQ(status.exit_code, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr("coordinator desk at " + address_));
  EXPECT_THAT(status.out, HasSubstr("shoal-stories-3m: ready"));
  EXPECT_THAT(status.out, HasSubstr("helper  serving"));
  const auto nodes = nlohmann::json::parse(
      Run({"nodes", "--coordinator", address_, "--json"}).out);
  ASSERT_EQ(nodes["devices"].size(), 2u);
  EXPECT_EQ(nodes["devices"][1]["name"], "helper");
  EXPECT_EQ(nodes["devices"][1]["rank"], 1);
  EXPECT_EQ(nodes["devices"][1]["budget_bytes"], 64 << 20);
  EXPECT_GT(nodes["devices"][1]["share_bytes"], 0);
}

TEST_F(ClientTest, AFleetWithoutADeviceOfItsFileIsDegraded) {
  StartService();
  WriteFile("devices { name: \"attic\" } ");
  const ProgramResult status = Run({"status", file_});
  EXPECT_EQ(status.exit_code, 1);
  EXPECT_THAT(status.out, HasSubstr("attic   missing"));
  EXPECT_THAT(status.err, HasSubstr("degraded: attic is missing"));
}

TEST_F(ClientTest, NobodyThereIsAFaultThatSaysWhere) {
  for (const std::string verb : {"status", "nodes"}) {
    const ProgramResult result = Run({verb, file_});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("no coordinator answers at " + address_));
    EXPECT_THAT(result.err, HasSubstr("start one with shoal serve"));
  }
  const ProgramResult run = Run(Story({"--coordinator", address_}));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("no coordinator answers at " + address_));
}

TEST_F(ClientTest, AModelOfOnesOwnDoesNotGoWithACoordinator) {
  const ProgramResult run =
      Run(Story({"--coordinator", address_, "-m", "model.gguf"}));
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.err, HasSubstr("leave one of them out"));
}

}  // namespace
}  // namespace shoal::cli

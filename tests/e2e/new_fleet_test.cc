// A fleet as a new user makes one: init, a worker on each device, chat. On
// loopback, and with devices of their own where there is a lab.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"
#include "tests/e2e/lab.h"
#include "tests/testing/free_port.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramOptions;
using cli::ProgramResult;
using ::testing::HasSubstr;

class NewFleetTest : public testing::FleetProcessesTest {
 protected:
  NewFleetTest() : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(cache_.path());
  }
  ~NewFleetTest() override { std::filesystem::current_path(before_); }

  // Each device has a home of its own.
  ProgramOptions Home(const std::string& device,
                      const std::string& input = "") const {
    return {
        .input = input,
        .environment = {{"HOME", cache_.File(device)},
                        {"XDG_CACHE_HOME", cache_.File(device + "/cache")},
                        {"XDG_CONFIG_HOME", cache_.File(device + "/config")},
                        {"XDG_STATE_HOME", cache_.File(device + "/state")}}};
  }

  // The words that init says to type on each device, without the program.
  static std::vector<std::string> JoinWords(const ProgramResult& made) {
    std::vector<std::string> words =
        absl::StrSplit(absl::StripSuffix(made.out, "\n"), ' ');
    EXPECT_EQ(words[0], "shoal");
    words.erase(words.begin());
    return words;
  }

  // Three devices that have all that they need.
  static void ExpectSecondStartWithoutBytes(const ProgramOptions& options) {
    const absl::Time begin = absl::Now();
    const ProgramResult again = cli::RunProgram(
        {"run", "-p", "Once upon a time", "--max-tokens", "1", "--json"},
        options);
    EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
    ASSERT_EQ(again.exit_code, 0) << again.err;
    const auto facts = nlohmann::json::parse(again.out);
    EXPECT_EQ(facts["unit_bytes_sent"], 0);
    EXPECT_EQ(facts["devices"].size(), 3u);
  }

  const std::filesystem::path before_;
};

// What the tests below type.
TEST_F(NewFleetTest, TheReadmeHasExactlyTheseLines) {
  std::ifstream file(
      absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"), "/README.md"));
  std::vector<std::string> commands;
  bool is_section = false;
  bool is_code = false;
  for (std::string line; std::getline(file, line);) {
    if (absl::StartsWith(line, "## ")) is_section = line == "## A fleet";
    if (absl::StartsWith(line, "```")) {
      is_code = !is_code;
    } else if (is_section && is_code) {
      commands.push_back(line);
    }
  }
  EXPECT_THAT(
      commands,
      ::testing::ElementsAre(
          "shoal init home -m models/shoal-stories-3m-q8_0.gguf",
          "shoal worker --join 192.168.1.10:7070#shoal1-...", "shoal chat"));
}

TEST_F(NewFleetTest, TwoWorkersJoinAndTheSecondStartSendsNoWeights) {
  const std::string address = absl::StrCat("127.0.0.1:", testing::FreePort());
  const ProgramResult made = cli::RunProgram(
      {"init", "home", "-m", testing::StoryModelPath(), "--listen", address},
      Home("desk"));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  std::vector<std::unique_ptr<Program>> workers;
  for (const std::string name : {"one", "two"}) {
    std::vector<std::string> words = JoinWords(made);
    // On devices of their own the names are those of the machines.
    words.insert(words.end(), {"--name", name});
    workers.push_back(std::make_unique<Program>(words, Home(name)));
    ASSERT_TRUE(workers.back()->WaitForError("dialling again"));
  }
  const ProgramResult chat =
      cli::RunProgram({"chat"}, Home("desk", "Once upon a time\n"));
  EXPECT_EQ(chat.exit_code, 0) << chat.err;
  EXPECT_FALSE(chat.out.empty());
  EXPECT_THAT(chat.err, HasSubstr("home.textproto (the only one here)"));
  EXPECT_THAT(chat.err, HasSubstr("one joined ("));
  EXPECT_THAT(chat.err, HasSubstr("two joined ("));

  ExpectSecondStartWithoutBytes(Home("desk"));
  // Operators and clients go by the fleet's secrets.
  Program service({"serve", "--http", "127.0.0.1:0"}, Home("desk"));
  ASSERT_TRUE(service.WaitForError("ready: "));
  const ProgramResult status = cli::RunProgram({"status"}, Home("desk"));
  EXPECT_EQ(status.exit_code, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr("two"));
  const ProgramResult asked = cli::RunProgram(
      {"run", "--raw", "-p", "Once", "--max-tokens", "2"}, Home("desk"));
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_THAT(asked.err, HasSubstr("asking the coordinator"));
  const ProgramResult named =
      cli::RunProgram({"run", "--raw", "-p", "Once", "--max-tokens", "2",
                       "--coordinator", address, "--secrets", "home.secrets"},
                      Home("desk"));
  EXPECT_EQ(named.exit_code, 0) << named.err;
  const ProgramResult stranger =
      cli::RunProgram({"status", "--coordinator", address}, Home("desk"));
  EXPECT_EQ(stranger.exit_code, 1) << stranger.out;
}

// The same over links between devices with addresses of their own.
TEST_F(NewFleetTest, InTheLabTheLinesOfTheReadmeAreAllItTakes) {
  const auto lab = testing::Lab::Start(3);
  if (!lab.ok()) GTEST_SKIP() << lab.status().message();
  const auto on = [&](int device, const std::string& input = "") {
    ProgramOptions options = Home(absl::StrCat("device", device), input);
    options.launcher = (*lab)->Launcher(device);
    return options;
  };
  const ProgramResult made =
      cli::RunProgram({"init", "home", "-m", testing::StoryModelPath()}, on(1));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  std::vector<std::unique_ptr<Program>> workers;
  for (const int device : {2, 3}) {
    workers.push_back(std::make_unique<Program>(JoinWords(made), on(device)));
    ASSERT_TRUE(workers.back()->WaitForError("dialling again"));
  }
  const ProgramResult chat =
      cli::RunProgram({"chat"}, on(1, "Once upon a time\n"));
  EXPECT_EQ(chat.exit_code, 0) << chat.err;
  EXPECT_FALSE(chat.out.empty());
  ExpectSecondStartWithoutBytes(on(1));
}

}  // namespace
}  // namespace shoal

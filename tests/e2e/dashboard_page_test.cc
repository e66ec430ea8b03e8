// The page of `shoal dashboard` in a headless browser, beside generations that
// run: what it shows is what the coordinator and the run itself report.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"
#include "tests/testing/shell.h"

namespace shoal::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// What follows `word` in what the program said, up to a blank.
std::string After(const std::string& word, const cli::Program& program) {
  const std::string& said = program.so_far().err;
  const size_t begin = said.find(word) + word.size();
  return said.substr(begin, said.find_first_of(" \n", begin) - begin);
}

// As the page writes it.
std::string Short(double number) {
  return absl::StrFormat("%.*f",
                         number >= 99.95   ? 0
                         : number >= 9.995 ? 1
                                           : 2,
                         number);
}

class DashboardPageTest : public FleetProcessesTest {
 protected:
  void SetUp() override {
    if (RunShell("node --version").status != 0) {
      GTEST_SKIP() << "there is no node here; scripts/install-deps.sh installs "
                      "it";
    }
    if (!std::filesystem::exists(absl::StrCat(
            SHOAL_DASHBOARD_BROWSER, "/node_modules/playwright-core"))) {
      GTEST_SKIP() << "there is no browser in " << SHOAL_DASHBOARD_BROWSER
                   << "; scripts/install-test-clients.sh gets it";
    }
  }

  std::unique_ptr<cli::Program> Dashboard(const std::string& coordinator,
                                          const std::string& key_file = "") {
    std::vector<std::string> words = {"dashboard", "--http", ":0",
                                      "--rate",    "4",      "--coordinator",
                                      coordinator};
    if (!key_file.empty()) {
      words.insert(words.end(), {"--api-key-file", key_file});
    }
    auto program = std::make_unique<cli::Program>(words, Environment());
    EXPECT_TRUE(program->WaitForError(" of the coordinator"))
        << program->so_far().err;
    return program;
  }

  static ShellResult Look(const std::string& arguments) {
    return RunShell(
        absl::StrCat("node --preserve-symlinks --preserve-symlinks-main '",
                     SHOAL_DASHBOARD_BROWSER, "/page.mjs' ", arguments));
  }
};

TEST_F(DashboardPageTest, ShowsAndEndsAGenerationWithTheCoordinatorsFigures) {
  cli::Program service(
      {"serve", "-m", StoryModelPath(), "--local", "4", "--shares", "4,2,1,1",
       "--weights", "stream", "--http", "127.0.0.1:0"},
      Environment());
  ASSERT_TRUE(service.WaitForError("ready: ")) << service.so_far().err;
  const std::string address = After("gRPC at ", service);
  std::ofstream(cache_.File("key")) << "secret-of-the-test\n";
  const auto open = Dashboard(address);
  const auto locked = Dashboard(address, cache_.File("key"));
  const ShellResult result = Look(
      absl::StrCat("live ", After("dashboard at ", *open), " ",
                   After("dashboard at ", *locked), " secret-of-the-test"));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("ok: with a key"));
}

TEST_F(DashboardPageTest, AtTheEndItShowsWhatTheRunReports) {
  cli::Program run(
      StoryRun({"--local", "4", "--shares", "4,2,1,1", "--weights", "stream",
                "--max-tokens", "400", "--ignore-eos", "--json"}),
      Environment());
  ASSERT_TRUE(run.WaitForError("coordinator at "));
  const auto dashboard = Dashboard(After("coordinator at ", run));
  const ShellResult result =
      Look(absl::StrCat("ending ", After("dashboard at ", *dashboard)));
  ASSERT_EQ(result.status, 0) << result.output;
  const cli::ProgramResult ended = run.Wait();
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const json report = json::parse(ended.out);
  const json page = json::parse(result.output);

  const json& fields = page["fields"];
  EXPECT_EQ(fields["tokens_per_second_average"],
            Short(report["tokens_per_second"]));
  EXPECT_EQ(fields["time_to_first_token_ms"],
            Short(report["time_to_first_token_ms"]));
  EXPECT_EQ(fields["finished_count"], "1");
  double token_ms = 0;
  for (const char* part : {"compute", "stall", "wait", "exchange"}) {
    token_ms +=
        report["devices"][0][absl::StrCat(part, "_ms_per_pass")].get<double>();
  }
  EXPECT_EQ(fields["ms_per_token_total"], Short(token_ms));
  ASSERT_EQ(page["devices"].size(), 4u);
  for (const json& device : report["devices"]) {
    SCOPED_TRACE(device["name"]);
    const json& row = page["devices"][device["name"].get<std::string>()];
    EXPECT_EQ(row["state"], "serving");
    EXPECT_THAT(row["streamed_bytes"].get<std::string>(), HasSubstr("iB"));
  }
}

// So that nobody forgets to build the page after a change of its sources.
TEST_F(DashboardPageTest, ThePageIsTheOneOfItsSources) {
  const std::string source = std::getenv("SHOAL_SOURCE_DIR");
  if (!std::filesystem::exists(
          absl::StrCat(SHOAL_DASHBOARD_WEB, "/node_modules/vite"))) {
    GTEST_SKIP() << "what builds the page is not in " << SHOAL_DASHBOARD_WEB
                 << "; scripts/build-dashboard.sh gets it";
  }
  const std::string made = cache_.File("page");
  const ShellResult built = RunShell(
      absl::StrCat("SHOAL_BUILD_DIR='", SHOAL_DASHBOARD_WEB, "/..' '", source,
                   "/scripts/build-dashboard.sh' '", made, "'"));
  ASSERT_EQ(built.status, 0) << built.output;
  const ShellResult compared = RunShell(
      absl::StrCat("diff -rq '", made, "' '", source, "/dashboard/web/dist'"));
  EXPECT_EQ(compared.status, 0)
      << compared.output << "; run scripts/build-dashboard.sh";
}

}  // namespace
}  // namespace shoal::testing

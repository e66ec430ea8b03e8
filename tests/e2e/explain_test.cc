// `shoal explain` of a service of real processes.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"

namespace shoal::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ExplainTest : public FleetProcessesTest {
 protected:
  // Three devices that read all weights for every token.
  void Serve() {
    service_ = std::make_unique<cli::Program>(
        std::vector<std::string>{"serve", "-m", StoryModelPath(), "--http",
                                 "127.0.0.1:0", "--local", "3", "--threads",
                                 "1", "--weights", "stream"},
        Environment());
    ASSERT_TRUE(service_->WaitForError("ready: ")) << service_->so_far().err;
    const std::string& said = service_->so_far().err;
    const std::string mark = "gRPC at ";
    const size_t begin = said.find(mark) + mark.size();
    address_ = said.substr(begin, said.find('\n', begin) - begin);
  }
  cli::ProgramResult Explain(const std::vector<std::string>& more) {
    std::vector<std::string> words = {"explain", "--coordinator", address_};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }

  std::unique_ptr<cli::Program> service_;
  std::string address_;
};

TEST_F(ExplainTest, TellsWhatATokenCostsEachDeviceOfAService) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const cli::ProgramResult early = Explain({});
  EXPECT_EQ(early.exit_code, 1);
  EXPECT_THAT(early.err, HasSubstr("has not told of a token yet"));

  const cli::ProgramResult run =
      Run({"run", "--coordinator", address_, "-p", "Once upon a time",
           "--max-tokens", "80", "--ignore-eos", "--temperature", "0"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const cli::ProgramResult told = Explain({"--json"});
  ASSERT_EQ(told.exit_code, 0) << told.err;
  const json explained = json::parse(told.out);
  ASSERT_EQ(explained["devices"].size(), 3u);
  std::set<std::string> names;
  double share = 0;
  double awaited = 0;
  for (const json& device : explained["devices"]) {
    names.insert(device["name"]);
    share += device["share"].get<double>();
    awaited += device["awaited_ms"].get<double>();
    EXPECT_EQ(device["read_bytes"], device["share_bytes"]);
    EXPECT_GT(device["compute_ms"], 0);
  }
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_TRUE(names.contains(explained["bottleneck"]["device"]));
  // The hub waits for nobody but the others, and each wait is somebody's.
  const json& hub = explained["devices"][0];
  EXPECT_NEAR(awaited, hub["wait_ms"], 0.02 * hub["wait_ms"].get<double>());
  double parts = 0;
  for (const char* part :
       {"compute_ms", "stall_ms", "exchange_ms", "wait_ms"}) {
    parts += hub[part].get<double>();
  }
  EXPECT_NEAR(parts, explained["ms_per_token"], 1e-6);

  const cli::ProgramResult text = Explain({});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("ms a token"));
  EXPECT_THAT(text.out, HasSubstr("\nbottleneck: the "));
}

TEST_F(ExplainTest, NobodyThereIsSaid) {
  address_ = "127.0.0.1:1";
  const cli::ProgramResult result = Explain({});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace shoal::testing

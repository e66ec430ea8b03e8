// Devices that are taken out of a service of real processes, and back in.

#include <signal.h>

#include <cstdlib>
#include <map>
#include <memory>
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

class DrainTest : public FleetProcessesTest {
 protected:
  static std::vector<std::string> ServeWords(
      const std::vector<std::string>& more) {
    std::vector<std::string> words = {"serve",  "-m",          StoryModelPath(),
                                      "--http", "127.0.0.1:0", "--threads",
                                      "1"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void Serve(const std::vector<std::string>& more) {
    service_ = std::make_unique<cli::Program>(ServeWords(more), Environment());
    ASSERT_TRUE(service_->WaitForError("ready: ")) << service_->so_far().err;
    const std::string& said = service_->so_far().err;
    const std::string mark = "gRPC at ";
    const size_t begin = said.find(mark) + mark.size();
    address_ = said.substr(begin, said.find('\n', begin) - begin);
  }
  cli::ProgramResult Ask(std::vector<std::string> words) {
    words.insert(words.end(), {"--coordinator", address_});
    return Run(words);
  }
  std::vector<std::string> Story() const {
    return {"run",
            "--coordinator",
            address_,
            "-p",
            "Once upon a time, a small fish",
            "--max-tokens",
            "400",
            "--ignore-eos",
            "--temperature",
            "0"};
  }
  std::string Text() {
    const cli::ProgramResult run = Run(Story());
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run.out;
  }
  // By name.
  std::map<std::string, std::string> States() {
    const cli::ProgramResult nodes = Ask({"nodes", "--json"});
    EXPECT_EQ(nodes.exit_code, 0) << nodes.err;
    std::map<std::string, std::string> states;
    const json parsed = json::parse(nodes.out);
    for (const json& device : parsed["devices"]) {
      states[device["name"]] = device["state"];
    }
    return states;
  }

  std::unique_ptr<cli::Program> service_;
  std::string address_;
};

TEST_F(DrainTest, ADeviceGoesAndComesBackWhileTextIsGenerated) {
  ASSERT_NO_FATAL_FAILURE(
      Serve({"--local", "3", "--weights", "stream", "--payload", "f64"}));
  const std::string text = Text();
  ASSERT_GT(text.size(), 200u);
  const std::vector<pid_t> workers = cli::ChildrenOf(service_->pid());
  ASSERT_EQ(workers.size(), 2u);

  // Without patience what runs is moved to the new plan as it is.
  cli::Program moved(Story(), Environment());
  ASSERT_TRUE(moved.WaitForOutput(text.substr(0, 20)));
  const cli::ProgramResult drain =
      Ask({"drain", "local-1", "--grace", "1ms", "--json"});
  ASSERT_EQ(drain.exit_code, 0) << drain.err;
  EXPECT_THAT(drain.err,
              HasSubstr("1 of the requests go on with the new plan"));
  const json done = json::parse(drain.out);
  EXPECT_TRUE(done["done"]);
  EXPECT_EQ(done["plan"], 2);
  EXPECT_EQ(done["devices"], (json{"local-0", "local-2"}));
  EXPECT_EQ(moved.Wait().out, text);
  EXPECT_EQ(Text(), text);
  EXPECT_EQ(States(),
            (std::map<std::string, std::string>{{"local-0", "coordinator"},
                                                {"local-1", "drained"},
                                                {"local-2", "serving"}}));
  for (const pid_t worker : workers) EXPECT_EQ(kill(worker, 0), 0);

  const cli::ProgramResult again = Ask({"drain", "local-1"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("local-1 is drained already"));
  const cli::ProgramResult unknown = Ask({"drain", "lcal-2"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean local-2?"));

  // With it what runs ends first.
  cli::Program finished(Story(), Environment());
  ASSERT_TRUE(finished.WaitForOutput(text.substr(0, 20)));
  const cli::ProgramResult resume = Ask({"resume", "local-1"});
  ASSERT_EQ(resume.exit_code, 0) << resume.err;
  EXPECT_THAT(resume.err, HasSubstr("waiting for 1 request under way"));
  EXPECT_THAT(resume.out, HasSubstr("plan 3 on local-0, local-1, local-2"));
  EXPECT_EQ(finished.Wait().out, text);
  EXPECT_EQ(Text(), text);
  EXPECT_EQ(States()["local-1"], "serving");
  EXPECT_EQ(cli::ChildrenOf(service_->pid()), workers);
}

TEST_F(DrainTest, WithoutRoomForTheModelNothingIsChanged) {
  const std::vector<std::string> more = {"--slots", "1",         "--ctx",
                                         "512",     "--weights", "resident"};
  const auto words_with = [&more](uint64_t budget) {
    std::vector<std::string> words = more;
    words.insert(words.end(), {"--local", "2", "--memory",
                               ListOf({budget, uint64_t{1} << 30})});
    return words;
  };
  const cli::ProgramResult refused = Run(ServeWords(words_with(1 << 20)));
  const size_t at = refused.err.find("its floor is ");
  ASSERT_NE(at, std::string::npos) << refused.err;
  const uint64_t floor = std::strtoull(
      refused.err.c_str() + refused.err.find('(', at) + 1, nullptr, 10);
  // Half of the weights are 1.5 MiB.
  const std::vector<std::string> words = words_with(floor + (1 << 19));
  ASSERT_NO_FATAL_FAILURE(Serve(words));
  const std::string text = Text();
  const cli::ProgramResult drain = Ask({"drain", "local-1"});
  EXPECT_EQ(drain.exit_code, 1);
  EXPECT_THAT(drain.err,
              HasSubstr("the model would not fit without local-1: "));
  EXPECT_THAT(drain.err, HasSubstr("rank 0 (local-0) has a budget of "));
  EXPECT_THAT(drain.err, HasSubstr("nothing was changed"));
  EXPECT_EQ(Text(), text);
  const cli::ProgramResult replan = Ask({"replan"});
  EXPECT_EQ(replan.exit_code, 0) << replan.err;
  EXPECT_THAT(replan.out, HasSubstr("plan 2 on local-0, local-1"));
  EXPECT_EQ(Text(), text);
}

}  // namespace
}  // namespace shoal::testing

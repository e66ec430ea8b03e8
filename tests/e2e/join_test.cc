// Workers that join from elsewhere, as several machines would: every address of
// 127.0.0.0/8 is one of this machine's.

#include <signal.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramOptions;
using cli::ProgramResult;
using ::testing::HasSubstr;
using testing::ReadWaiting;
using testing::Waiting;

class JoinTest : public testing::FleetProcessesTest {
 protected:
  JoinTest() {
    std::ofstream(token_file_) << "a token of this test\n";
    alone_ = Run(StoryRun(
        {"--max-tokens", "12", "--temperature", "0", "--payload", "f64"}));
  }

  // A coordinator that waits for `expect` workers on `listen`.
  std::unique_ptr<Program> Coordinator(const std::string& listen, int expect,
                                       const std::vector<std::string>& more) {
    auto words = StoryRun({"--max-tokens", "12", "--temperature", "0",
                           "--payload", "f64", "--listen", listen, "--expect",
                           absl::StrCat(expect), "--token-file", token_file_});
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<Program>(words, Environment());
  }

  std::unique_ptr<Program> Worker(const std::string& join,
                                  const std::string& name,
                                  const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {
        "worker", "--join", join, "--name", name, "--token-file", token_file_};
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<Program>(words, Environment());
  }

  void ExpectTheStory(Program& coordinator) {
    const ProgramResult result = coordinator.Wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, alone_.out);
  }

  const std::string token_file_ = cache_.File("token");
  ProgramResult alone_;
};

// Each worker dials rank 0 where it has found the coordinator.
TEST_F(JoinTest, WhoListensOnAllAddressesIsReachedOnEach) {
  const auto coordinator = Coordinator("0.0.0.0:0", 2, {"--insecure"});
  const std::string port = ReadWaiting(*coordinator).port;
  // The line to type works as it stands.
  EXPECT_THAT(coordinator->so_far().err, HasSubstr("FILE --insecure\n"));
  const auto first = Worker("127.0.0.1:" + port, "first", {"--insecure"});
  const auto second = Worker("127.0.0.2:" + port, "second", {"--insecure"});
  ExpectTheStory(*coordinator);
}

TEST_F(JoinTest, WhoListensOnOneAddressOfSeveralIsReachedThere) {
  const auto coordinator = Coordinator("127.0.0.2:0", 1, {});
  const std::string port = ReadWaiting(*coordinator).port;
  const auto worker = Worker("127.0.0.2:" + port, "worker");
  ExpectTheStory(*coordinator);
}

TEST_F(JoinTest, WorkersReachEachOtherWhereTheyBind) {
  const auto coordinator =
      Coordinator("127.0.0.1:0", 3, {"--parallel", "tp=1,pp=4"});
  const std::string join =
      absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  const auto a = Worker(join, "a", {"--bind", "127.0.0.2"});
  const auto b = Worker(join, "b", {"--bind", "127.0.0.3"});
  // All addresses: the others are told the one that faces the coordinator.
  const auto c = Worker(join, "c", {"--bind", "0.0.0.0", "--insecure"});
  ExpectTheStory(*coordinator);
}

TEST_F(JoinTest, OneWorkerServesOneCoordinatorAfterAnother) {
  auto coordinator = Coordinator("127.0.0.1:0", 1, {});
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  const auto worker = Worker(address, "worker");
  ExpectTheStory(*coordinator);
  ASSERT_TRUE(worker->WaitForError("the coordinator ended; dialling again"));
  coordinator = Coordinator(address, 1, {"--parallel", "tp=1,pp=2"});
  ExpectTheStory(*coordinator);
  worker->Signal(SIGINT);
  const ProgramResult ended = worker->Wait();
  EXPECT_EQ(ended.exit_code, 130);
  EXPECT_THAT(ended.err, HasSubstr("shoal: interrupted\n"));
}

TEST_F(JoinTest, AWorkersMemoryFileIsReadAgainForEveryPlan) {
  const std::string cap = cache_.File("cap");
  std::ofstream(cap) << "100MiB\n";
  const auto budget = [&](Program& coordinator) {
    const ProgramResult result = coordinator.Wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out);
    EXPECT_EQ(json["text"].get<std::string>() + "\n", alone_.out);
    return json["devices"][1]["budget_bytes"].get<uint64_t>();
  };
  auto coordinator = Coordinator("127.0.0.1:0", 1, {"--json"});
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  const auto worker =
      Worker(address, "worker", {"--memory", "200MiB", "--memory-file", cap});
  EXPECT_EQ(budget(*coordinator), 100 * base::kMiB);
  ASSERT_TRUE(worker->WaitForError("the coordinator ended; dialling again"));
  std::ofstream(cap) << "60MiB\n";
  coordinator = Coordinator(address, 1, {"--json"});
  EXPECT_EQ(budget(*coordinator), 60 * base::kMiB);
}

TEST_F(JoinTest, AMemoryFileWithoutASizeIsRefusedAtTheStart) {
  const std::string cap = cache_.File("cap");
  std::ofstream(cap) << "much\n";
  const auto worker = Worker("127.0.0.1:1", "worker", {"--memory-file", cap});
  const ProgramResult ended = worker->Wait();
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.err, HasSubstr(cap));
}

}  // namespace
}  // namespace shoal

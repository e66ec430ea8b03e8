// `shoal run --local N` as a person runs it: real processes, gRPC and TCP.

#include <signal.h>
#include <sys/types.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/tokenizer.h"
#include "tests/e2e/fleet_processes.h"
#include "tests/testing/in_process_fleet.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramResult;
using testing::AllGoneWithin;
using ::testing::HasSubstr;
using testing::StoryModelPath;
using testing::TemporaryFolder;

class LocalFleetTest : public testing::FleetProcessesTest {
 protected:
  ProgramResult Tell(const std::vector<std::string>& more) const {
    return Run(StoryRun(more));
  }
};

TEST_F(LocalFleetTest, FourStreamingDevicesTellTheStoryThatOneTells) {
  const ProgramResult one = Tell({"--max-tokens", "60", "--temperature", "0"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("was swimming in the pond"));
  const ProgramResult four = Tell({"--max-tokens", "60", "--temperature", "0",
                                   "--local", "4", "--weights", "stream"});
  ASSERT_EQ(four.exit_code, 0) << four.err;
  EXPECT_EQ(one.out, four.out);
}

// The logits of the last prompt position, by processes and by threads.
TEST_F(LocalFleetTest, ProcessesOverZeroMqGiveTheBitsOfRanksInThreads) {
  const std::string dump = cache_.File("logits.f32");
  const ProgramResult run =
      Tell({"--max-tokens", "1", "--local", "3", "--payload", "f64", "--ctx",
            "512", "--dump-logits", dump});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  TemporaryFolder stores;
  testing::FleetOptions options;
  options.rank_count = 3;
  options.store_root = stores.path();
  auto fleet = testing::InProcessFleet::Create(StoryModelPath(), options);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const auto header = model::GgufHeader::ReadFile(StoryModelPath());
  const auto tokenizer = model::Tokenizer::Create(*header);
  const auto ids = (*tokenizer)->Encode("Once upon a time, a small fish", {});
  const auto expected = (*fleet)->Evaluate(*ids, 0, 1);
  ASSERT_TRUE(expected.ok()) << expected.status();
  std::vector<float> got(expected->size());
  std::ifstream file(dump, std::ios::binary);
  file.read(reinterpret_cast<char*>(got.data()),
            static_cast<std::streamsize>(got.size() * sizeof(float)));
  ASSERT_TRUE(file.good());
  EXPECT_EQ(
      std::memcmp(got.data(), expected->data(), got.size() * sizeof(float)), 0);
}

std::vector<std::string> LongRun() {
  return {"--local",      "3",     "--max-tokens", "400",
          "--ignore-eos", "--ctx", "512"};
}

// A run in the middle of its story.
class RunningFleetTest : public LocalFleetTest {
 protected:
  void Start() {
    program_.emplace(StoryRun(LongRun()), Environment());
    ASSERT_TRUE(program_->WaitForOutput("the"));
    workers_ = cli::ChildrenOf(program_->pid());
    ASSERT_EQ(workers_.size(), 2u);
  }

  std::optional<Program> program_;
  std::vector<pid_t> workers_;
};

TEST_F(RunningFleetTest, AKilledWorkerEndsTheRunWithItsName) {
  Start();
  const absl::Time killed = absl::Now();
  kill(workers_[1], SIGKILL);
  const ProgramResult result = program_->Wait();
  EXPECT_LT(absl::Now() - killed, absl::Seconds(5));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("shoal: local-2 (rank 2): "));
  EXPECT_TRUE(AllGoneWithin(workers_, absl::Seconds(5)));
}

// It is alive for the kernel, whose connections stay; it says nothing more.
TEST_F(RunningFleetTest, AStoppedWorkerEndsTheRunWithItsName) {
  Start();
  const absl::Time stopped = absl::Now();
  kill(workers_[1], SIGSTOP);
  const ProgramResult result = program_->Wait();
  EXPECT_LT(absl::Now() - stopped, absl::Seconds(5));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("shoal: local-2 (rank 2): "));
  EXPECT_TRUE(AllGoneWithin(workers_, absl::Seconds(5)));
}

TEST_F(RunningFleetTest, NoWorkerOutlivesItsParentHoweverThatEnds) {
  for (const int signal : {SIGKILL, SIGTERM, SIGHUP}) {
    Start();
    // One of them cannot see for itself that its coordinator is gone.
    kill(workers_[0], SIGSTOP);
    program_->Signal(signal);
    program_->Wait();
    EXPECT_TRUE(AllGoneWithin(workers_, absl::Seconds(5)))
        << "signal " << signal;
  }
}

TEST_F(RunningFleetTest, AnInterruptEndsWith130AndTheSummary) {
  Start();
  program_->Signal(SIGINT);
  const ProgramResult result = program_->Wait();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_THAT(result.err, HasSubstr("tokens/s"));
  EXPECT_TRUE(AllGoneWithin(workers_, absl::Seconds(5)));
}

}  // namespace
}  // namespace shoal

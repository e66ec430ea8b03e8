// What a fleet's processes take, read from outside: never more memory than the
// budget, never more of the disk than the report says.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramResult;
using nlohmann::json;
using testing::FactsOfFleet;
using ::testing::HasSubstr;
using testing::ListOf;
using testing::ProcessFacts;
using testing::WatchToTheEnd;

std::vector<std::string> With(std::vector<std::string> words,
                              const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class FleetBudgetsTest : public testing::FleetProcessesTest {
 protected:
  // A floor counts what the program takes already, which differs by up to some
  // MiB from start to start: so often may refusals raise one.
  static constexpr int kRefusals = 6;

  // Every device has a budget of its own, from its own floor up.
  std::vector<std::string> Budgeted(const std::vector<std::string>& run,
                                    const std::vector<uint64_t>& budgets) {
    return With(run, {"--local", absl::StrCat(budgets.size()), "--memory",
                      ListOf(budgets), "--json"});
  }
};

class FleetMemoryTest : public FleetBudgetsTest,
                        public ::testing::WithParamInterface<uint32_t> {};

TEST_P(FleetMemoryTest, PeakStaysWithinBudgetsFromEachFloorToTheFullShare) {
  const uint32_t devices = GetParam();
  // The model takes 3.2 MiB: the last budgets hold all of it.
  const uint64_t steps = devices == 1 ? 20 : 10;
  const auto run =
      StoryRun({"--max-tokens", "6", "--ignore-eos", "--chunk", "16"});
  std::vector<uint64_t> floors = Floors(run, devices);
  uint64_t streamed = 0;
  for (uint64_t step = 0; step < steps; ++step) {
    std::vector<uint64_t> budgets;
    ProgramResult result;
    std::map<pid_t, ProcessFacts> seen;
    int refusals = 0;
    do {
      budgets = floors;
      for (uint64_t& budget : budgets) {
        budget += step * (uint64_t{5} << 20) / devices / (steps - 1);
      }
      Program program(Budgeted(run, budgets), Environment());
      seen = WatchToTheEnd(program, result);
    } while (refusals++ < kRefusals && RaiseFloor(result.err, floors));
    ASSERT_EQ(result.exit_code, 0) << ListOf(budgets) << ": " << result.err;
    ASSERT_EQ(seen.size(), devices);
    size_t rank = 0;  // pids rise with the order of their start
    for (const auto& [pid, facts] : seen) {
      EXPECT_LE(facts.peak_rss_bytes, budgets[rank])
          << "rank " << rank << " of " << devices << ", step " << step;
      EXPECT_GT(facts.peak_rss_bytes, 0u);
      ++rank;
    }
    const json report = json::parse(result.out);
    streamed = 0;
    for (const json& device : report.at("devices")) {
      streamed += device.at("read_bytes_per_pass").get<uint64_t>();
      EXPECT_EQ(device.at("read_bytes_per_pass").get<uint64_t>(),
                device.at("share_bytes").get<uint64_t>() -
                    device.at("resident_bytes").get<uint64_t>());
      EXPECT_GT(device.at("units").get<uint64_t>(), 0u);
    }
  }
  EXPECT_EQ(streamed, 0u) << "the last budgets should have held everything";
}

INSTANTIATE_TEST_SUITE_P(Devices, FleetMemoryTest,
                         ::testing::Values(1u, 2u, 3u, 4u));

class FleetReadsTest : public FleetBudgetsTest {};

TEST_F(FleetReadsTest, BelowAFloorItIsRefusedWithThatFloor) {
  const auto run = StoryRun({"--max-tokens", "1"});
  const std::vector<uint64_t> floors = Floors(run, 2);
  for (const size_t rank : {0, 1}) {
    std::vector<uint64_t> budgets = floors;
    for (uint64_t& budget : budgets) budget += uint64_t{1} << 30;
    budgets[rank] = floors[rank] - (uint64_t{4} << 20);
    const ProgramResult refused = Run(Budgeted(run, budgets));
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err, HasSubstr("its floor is"));
    EXPECT_THAT(refused.err, HasSubstr(absl::StrCat("local-", rank)));
    EXPECT_THAT(refused.err, HasSubstr("give it --memory"));
  }
}

// The tokens of a chunk go through a unit while it is in memory.
TEST_F(FleetReadsTest, APromptOf512TokensReadsTheShareOnce) {
  constexpr uint32_t kPrompt = 510;  // and two tokens behind it
  std::vector<uint64_t> ids;
  for (uint64_t i = 0; i < kPrompt; ++i) ids.push_back(300 + i % 100);
  const std::vector<std::string> run = {
      "run",          "-m",           testing::StoryModelPath(),
      "--prompt-ids", ListOf(ids),    "--ctx",
      "512",          "--chunk",      "512",
      "--ignore-eos", "--max-tokens", "2",
      "--weights",    "stream"};
  // With more, what is read ahead would be most of the share.
  std::vector<uint64_t> floors = Floors(run, 2);
  ProgramResult result;
  int refusals = 0;
  do {
    result = Run(Budgeted(run, floors));
  } while (refusals++ < kRefusals && RaiseFloor(result.err, floors));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  ASSERT_EQ(report["token_ids"].size(), 2u);
  for (const json& device : report.at("devices")) {
    const auto streamed = device["share_bytes"].get<double>();
    ASSERT_EQ(device["resident_bytes"], 0);
    const auto window = device["window_bytes"].get<double>();
    ASSERT_GT(0.8 * streamed, window) << "reading ahead would hide a sweep";
    // The prompt, the first of the two tokens, and what is read ahead.
    EXPECT_LE(device["read_bytes"].get<double>(), 2.1 * streamed + window);
    EXPECT_GE(device["read_bytes"].get<double>(), 1.9 * streamed);
  }
}

class FleetDiskTest : public FleetBudgetsTest,
                      public ::testing::WithParamInterface<const char*> {
 protected:
  // Little enough that part of a share is streamed: which part differs from
  // start to start, as floors do, but with --weights stream it is all of it.
  static std::vector<uint64_t> Above(std::vector<uint64_t> floors) {
    for (uint64_t& floor : floors) floor += uint64_t{512} << 10;
    return floors;
  }
};

// Each sweep over the share reads what is not resident, once. The kernel counts
// what direct reads bring from the disk; what start-up reads besides (a probe
// of the disk's rate, the residents) has come before the first token.
TEST_P(FleetDiskTest, TheDiskGivesEachPassWhatTheReportSaysAndNoMore) {
  const std::string weights = GetParam();
  constexpr uint64_t kTokens = 300;
  constexpr uint64_t kProgramPages = uint64_t{1} << 20;  // of the binaries
  const auto run =
      StoryRun({"--max-tokens", absl::StrCat(kTokens), "--ignore-eos", "--ctx",
                "512", "--shares", "1,1,1", "--weights", weights});
  std::vector<uint64_t> floors = Floors(run, 3);
  std::optional<Program> program;
  ProgramResult result;
  int refusals = 0;
  while (!program.emplace(Budgeted(run, Above(floors)), Environment())
              .WaitForError("generating")) {
    result = program->Wait();
    ASSERT_TRUE(refusals++ < kRefusals && RaiseFloor(result.err, floors))
        << result.err;
  }
  std::map<pid_t, ProcessFacts> before = FactsOfFleet(program->pid());
  const auto after = WatchToTheEnd(*program, result);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  const auto chunk = report["plan"]["chunk_tokens"].get<uint64_t>();
  const auto prompt = report["prompt_tokens"].get<uint64_t>();
  ASSERT_EQ(report["token_ids"].size(), kTokens);
  // The last token is not evaluated.
  const uint64_t decode_passes = kTokens - 1;
  const uint64_t sweeps = (prompt + chunk - 1) / chunk + decode_passes;
  ASSERT_EQ(after.size(), 3u);
  size_t rank = 0;
  for (const auto& [pid, facts] : after) {
    const json& device = report["devices"][rank];
    const std::string io = device["io"];
    if (io.find("buffered") != std::string::npos || io == "mmap") {
      GTEST_SKIP() << "the file system of " << cache_.path()
                   << " refuses direct I/O; set TMPDIR to a folder on a disk";
    }
    const auto value = device["read_bytes_per_pass"].get<uint64_t>();
    const auto window = device["window_bytes"].get<uint64_t>();
    const auto resident = device["resident_bytes"].get<uint64_t>();
    EXPECT_EQ(value, device["share_bytes"].get<uint64_t>() - resident) << rank;
    if (weights == "stream") {
      EXPECT_EQ(resident, 0u) << rank;
      EXPECT_GT(value, 0u) << rank;
    }
    EXPECT_LE(facts.read_bytes - before[pid].read_bytes,
              sweeps * value + window + kProgramPages)
        << rank;
    EXPECT_GE(facts.read_bytes, decode_passes * value) << rank;
    ++rank;
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, FleetDiskTest,
                         ::testing::Values("stream", "auto"));

}  // namespace
}  // namespace shoal

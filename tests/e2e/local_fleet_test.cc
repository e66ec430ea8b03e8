// `shoal run --local N` as a person runs it: real processes, gRPC and ZeroMQ.

#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/tokenizer.h"
#include "nlohmann/json.hpp"
#include "tests/cli/program.h"
#include "tests/testing/in_process_fleet.h"
#include "tests/testing/temporary_folder.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramOptions;
using cli::ProgramResult;
using cli::RunProgram;
using nlohmann::json;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::string ModelPath() {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  return absl::StrCat(source == nullptr ? "." : source,
                      "/models/shoal-stories-3m-q8_0.gguf");
}

class LocalFleetTest : public ::testing::Test {
 protected:
  std::vector<std::string> Arguments(
      const std::vector<std::string>& more) const {
    std::vector<std::string> all = {
        "run",   "-m", ModelPath(),
        "--raw", "-p", "Once upon a time, a small fish"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // Stores of their own, so that nothing comes from an earlier test.
  ProgramOptions Environment() const {
    ProgramOptions options;
    options.environment["XDG_CACHE_HOME"] = cache_.path();
    return options;
  }
  ProgramResult Run(const std::vector<std::string>& more) const {
    return RunProgram(Arguments(more), Environment());
  }

  TemporaryFolder cache_;
};

TEST_F(LocalFleetTest, FourStreamingDevicesTellTheStoryThatOneTells) {
  const ProgramResult one = Run({"--max-tokens", "60", "--temperature", "0"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("was swimming in the pond"));
  const ProgramResult four = Run({"--max-tokens", "60", "--temperature", "0",
                                  "--local", "4", "--weights", "stream"});
  ASSERT_EQ(four.exit_code, 0) << four.err;
  EXPECT_EQ(one.out, four.out);
}

// The logits of the last prompt position, by processes and by threads.
TEST_F(LocalFleetTest, ProcessesOverZeroMqGiveTheBitsOfRanksInThreads) {
  const std::string dump = cache_.File("logits.f32");
  const ProgramResult run =
      Run({"--max-tokens", "1", "--local", "3", "--payload", "f64", "--ctx",
           "512", "--dump-logits", dump});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  TemporaryFolder stores;
  testing::FleetOptions options;
  options.rank_count = 3;
  options.store_root = stores.path();
  auto fleet = testing::InProcessFleet::Create(ModelPath(), options);
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const auto header = model::GgufHeader::ReadFile(ModelPath());
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

// Reads "VmHWM:   123 kB" and "read_bytes: 123" style lines.
uint64_t FieldOf(const std::string& path, const std::string& field) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(field, 0) != 0) continue;
    std::istringstream words(line.substr(field.size()));
    uint64_t value = 0;
    words >> value;
    return value;
  }
  return 0;
}

// The largest VmHWM of each process of a run, read from outside while it runs.
std::map<pid_t, uint64_t> WatchPeaks(Program& program, ProgramResult& result) {
  std::map<pid_t, uint64_t> peaks;
  std::atomic<bool> ended = false;
  std::thread waiter([&] {
    result = program.Wait();
    ended = true;
  });
  while (!ended) {
    std::vector<pid_t> pids = cli::ChildrenOf(program.pid());
    pids.push_back(program.pid());
    for (const pid_t pid : pids) {
      const uint64_t kib =
          FieldOf(absl::StrCat("/proc/", pid, "/status"), "VmHWM:");
      peaks[pid] = std::max(peaks[pid], kib * 1024);
    }
    std::this_thread::yield();
  }
  waiter.join();
  return peaks;
}

// Takes the floor out of the refusal: "its floor is 30 MiB (N bytes: ...".
uint64_t FloorBytes(const std::string& message) {
  const size_t open = message.find('(', message.find("its floor is"));
  if (open == std::string::npos) return 0;
  return std::strtoull(message.c_str() + open + 1, nullptr, 10);
}

TEST_F(LocalFleetTest, PeakMemoryStaysWithinEveryBudgetFromTheFloorUp) {
  const ProgramResult refused =
      Run({"--max-tokens", "4", "--local", "2", "--memory", "1MiB"});
  EXPECT_EQ(refused.exit_code, 1);
  const uint64_t floor = FloorBytes(refused.err);
  ASSERT_GT(floor, 0u) << refused.err;
  for (int step = 0; step < 10; ++step) {
    const uint64_t budget = floor + step * (uint64_t{256} << 10);
    Program program(Arguments({"--max-tokens", "6", "--local", "2", "--memory",
                               absl::StrCat(budget), "--ignore-eos", "--json"}),
                    Environment());
    ProgramResult result;
    const auto peaks = WatchPeaks(program, result);
    ASSERT_EQ(result.exit_code, 0) << budget << ": " << result.err;
    EXPECT_GE(peaks.size(), 2u);
    for (const auto& [pid, peak] : peaks) {
      EXPECT_LE(peak, budget) << "step " << step;
    }
    const json report = json::parse(result.out);
    for (const json& device : report.at("devices")) {
      EXPECT_LE(device.at("peak_rss_bytes").get<uint64_t>(), budget);
      EXPECT_EQ(device.at("read_bytes_per_pass").get<uint64_t>(),
                device.at("share_bytes").get<uint64_t>() -
                    device.at("resident_bytes").get<uint64_t>());
      EXPECT_GT(device.at("units").get<uint64_t>(), 0u);
    }
  }
}

bool IsAlive(pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

// Dead children of another parent are reaped by init; wait for it.
bool AllGoneWithin(const std::vector<pid_t>& pids, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  while (absl::Now() < end) {
    if (std::none_of(pids.begin(), pids.end(), IsAlive)) return true;
    std::this_thread::yield();
  }
  return false;
}

std::vector<std::string> LongRun() {
  return {"--local",      "3",     "--max-tokens", "400",
          "--ignore-eos", "--ctx", "512"};
}

TEST_F(LocalFleetTest, AKilledWorkerEndsTheRunWithItsName) {
  Program program(Arguments(LongRun()), Environment());
  ASSERT_TRUE(program.WaitForOutput("the"));
  const std::vector<pid_t> workers = cli::ChildrenOf(program.pid());
  ASSERT_EQ(workers.size(), 2u);
  const absl::Time killed = absl::Now();
  kill(workers[1], SIGKILL);
  const ProgramResult result = program.Wait();
  EXPECT_LT(absl::Now() - killed, absl::Seconds(5));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("local-"));
  EXPECT_TRUE(AllGoneWithin(workers, absl::Seconds(5)));
}

TEST_F(LocalFleetTest, NoWorkerOutlivesAKilledParent) {
  Program program(Arguments(LongRun()), Environment());
  ASSERT_TRUE(program.WaitForOutput("the"));
  const std::vector<pid_t> workers = cli::ChildrenOf(program.pid());
  ASSERT_EQ(workers.size(), 2u);
  program.Signal(SIGKILL);
  program.Wait();
  EXPECT_TRUE(AllGoneWithin(workers, absl::Seconds(5)));
}

TEST_F(LocalFleetTest, AnInterruptEndsWith130AndTheSummary) {
  Program program(Arguments(LongRun()), Environment());
  ASSERT_TRUE(program.WaitForOutput("the"));
  const std::vector<pid_t> workers = cli::ChildrenOf(program.pid());
  program.Signal(SIGINT);
  const ProgramResult result = program.Wait();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_THAT(result.err, HasSubstr("tokens/s"));
  EXPECT_TRUE(AllGoneWithin(workers, absl::Seconds(5)));
}

}  // namespace
}  // namespace shoal

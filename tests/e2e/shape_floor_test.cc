// The floor of a model of a real size, run at: about 600 MB of random weights.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramResult;
using testing::ListOf;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class ShapeFloorTest : public testing::FleetProcessesTest {
 protected:
  void SetUp() override {
    const ProgramResult made =
        Run({"model", "synth", "--shape", "tinyllama-1.1b", "--type", "q4_0",
             "-o", model_});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }

  // Runs at the floors of `device_count` devices and returns these.
  std::vector<uint64_t> RunAtTheFloors(uint32_t device_count,
                                       uint32_t prompt_tokens,
                                       const std::vector<std::string>& more) {
    std::vector<uint32_t> prompt;
    for (uint32_t i = 0; i < prompt_tokens; ++i) prompt.push_back(5 + i % 900);
    std::vector<std::string> run = {"run",
                                    "-m",
                                    model_,
                                    "--prompt-ids",
                                    absl::StrJoin(prompt, ","),
                                    "--ctx",
                                    "512",
                                    "--max-tokens",
                                    "3",
                                    "--ignore-eos"};
    run.insert(run.end(), more.begin(), more.end());
    const std::vector<uint64_t> floors = Floors(run, device_count);
    run.insert(run.end(), {"--local", absl::StrCat(device_count), "--memory",
                           ListOf(floors)});
    Program program(run, Environment());
    ProgramResult result;
    const auto seen = testing::WatchToTheEnd(program, result);
    EXPECT_EQ(result.exit_code, 0) << ListOf(floors) << ": " << result.err;
    EXPECT_EQ(seen.size(), device_count);
    size_t rank = 0;
    for (const auto& [pid, facts] : seen) {
      EXPECT_LE(facts.peak_rss_bytes, floors[rank]) << "rank " << rank;
      ++rank;
    }
    return floors;
  }

  const std::string model_ = cache_.File("tinyllama.gguf");
};

TEST_F(ShapeFloorTest, TinyLlamaRunsWithin64MiBOfAWorkerAnd96OfTheCoordinator) {
  for (const uint32_t devices : {1, 2, 4}) {
    const std::vector<uint64_t> floors = RunAtTheFloors(devices, 7, {});
    EXPECT_LE(floors[0], 96 * kMiB);
    for (const uint64_t floor : floors) {
      if (&floor != &floors[0]) {
        EXPECT_LE(floor, 64 * kMiB);
      }
    }
  }
}

// Partial sums of 4 MiB wait in pieces at both ends of each link.
TEST_F(ShapeFloorTest, ALongPromptInLargeChunksStaysWithinTheFloorsToo) {
  for (const std::string payload : {"f64", "f32"}) {
    for (const uint32_t devices : {2, 4}) {
      RunAtTheFloors(devices, 400, {"--chunk", "256", "--payload", payload});
    }
  }
}

}  // namespace
}  // namespace shoal

// Real processes over gRPC and TCP give, bit for bit, what the same plan
// gives with ranks as threads of one process.

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/e2e/fleet_processes.h"
#include "tests/testing/golden_case.h"
#include "tests/testing/in_process_fleet.h"

namespace shoal {
namespace {

using testing::FleetOptions;
using testing::InProcessFleet;
using testing::TemporaryFolder;

// The same plan, for the command line and for threads.
struct Cut {
  std::string name;
  std::vector<std::string> flags;
  FleetOptions options;
};

Cut MakeCut(const std::string& name, uint32_t ranks, parallel::Payload payload,
            uint32_t tp, uint32_t pp, std::vector<double> shares) {
  Cut cut;
  cut.name = name;
  cut.flags = {"--local", absl::StrCat(ranks), "--payload",
               payload == parallel::Payload::kF64 ? "f64" : "f32"};
  if (tp > 0) {
    cut.flags.insert(cut.flags.end(),
                     {"--parallel", absl::StrCat("tp=", tp, ",pp=", pp)});
  }
  if (shares != std::vector<double>(ranks, 1)) {
    cut.flags.insert(cut.flags.end(), {"--shares", absl::StrJoin(shares, ",")});
  }
  cut.options.rank_count = ranks;
  cut.options.payload = payload;
  cut.options.tensor_parallel = tp;
  cut.options.pipeline_parallel = pp;
  cut.options.shares = std::move(shares);
  return cut;
}

std::vector<Cut> Cuts() {
  using parallel::Payload;
  return {MakeCut("three", 3, Payload::kF64, 0, 0, {1, 1, 1}),
          MakeCut("uneven", 3, Payload::kF32, 0, 0, {3, 1, 2}),
          MakeCut("stages", 4, Payload::kF32, 2, 2, {1, 1, 1, 1})};
}

std::vector<float> ReadFloats(const std::string& path, size_t count) {
  std::vector<float> values(count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(count * sizeof(float)));
  EXPECT_TRUE(file.good()) << path;
  return values;
}

class GoldenProcessesTest : public testing::FleetProcessesTest {
 protected:
  std::vector<float> ByProcesses(const testing::GoldenCase& golden,
                                 const Cut& cut) {
    const std::string dump = cache_.File("logits.f32");
    std::vector<std::string> words = {
        "run",
        "-m",
        golden.model_path,
        "--prompt-ids",
        absl::StrJoin(golden.prompts[0].tokens, ","),
        "--max-tokens",
        "1",
        "--ctx",
        "512",
        "--weights",
        "stream",
        "--dump-logits",
        dump};
    words.insert(words.end(), cut.flags.begin(), cut.flags.end());
    const cli::ProgramResult run = Run(words);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return ReadFloats(dump, golden.vocabulary);
  }

  static std::vector<float> ByThreads(const testing::GoldenCase& golden,
                                      const Cut& cut) {
    TemporaryFolder stores;
    FleetOptions options = cut.options;
    options.store_root = stores.path();
    options.run.context_positions = 512;
    auto fleet = InProcessFleet::Create(golden.model_path, options);
    EXPECT_TRUE(fleet.ok()) << fleet.status();
    const auto logits = (*fleet)->Evaluate(golden.prompts[0].tokens, 0, 1);
    EXPECT_TRUE(logits.ok()) << logits.status();
    return *logits;
  }
};

TEST_F(GoldenProcessesTest, GiveTheBitsOfRanksInThreads) {
  if (!testing::GoldenDirectory()) {
    GTEST_SKIP() << "SHOAL_GOLDEN_DIR is not set";
  }
  struct Case {
    std::string name;
    bool several_layers;
  };
  for (const Case& c :
       {Case{"llama-f32", true}, Case{"llama-headdim-q8_0", true},
        Case{"llama-bf16", false}, Case{"llama-q4_0", true},
        Case{"llama-vocab331-q6_k-out", false}}) {
    const testing::GoldenCase golden = testing::LoadGolden(c.name);
    for (const Cut& cut : Cuts()) {
      if (cut.name == "stages" && !c.several_layers) continue;
      const std::vector<float> processes = ByProcesses(golden, cut);
      const std::vector<float> threads = ByThreads(golden, cut);
      ASSERT_EQ(processes.size(), threads.size());
      EXPECT_EQ(std::memcmp(processes.data(), threads.data(),
                            threads.size() * sizeof(float)),
                0)
          << c.name << ", " << cut.name;
    }
  }
}

// Families other than llama: three streaming processes against the reference's
// logits. Their files lie in the repository.
TEST_F(GoldenProcessesTest,
       FamiliesRunAsStreamingProcessesAgainstTheReference) {
  for (const std::string name :
       {"cohere2-q8_0", "gpt-oss-mxfp4", "qwen3-tied-q8_0"}) {
    const testing::GoldenCase golden = testing::LoadGolden(name);
    Cut cut = MakeCut("three", 3, parallel::Payload::kF64, 0, 0, {1, 1, 1});
    cut.flags.insert(cut.flags.end(), {"--activations", "f32", "--kv", "f32"});
    const std::vector<float> logits = ByProcesses(golden, cut);
    const auto difference =
        testing::Compare(logits, golden.prompts[0].last_logits_f64);
    EXPECT_LE(difference.rms, 2e-5) << name;
    EXPECT_EQ(testing::ArgMax(logits), golden.prompts[0].greedy[0]) << name;
  }
}

}  // namespace
}  // namespace shoal

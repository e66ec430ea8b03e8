// `shoal bench net` and `allreduce` as a person runs them; not their figures.

#include <set>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/cli/program.h"

namespace shoal::cli {
namespace {

using nlohmann::json;

constexpr size_t kTransports = 2;
constexpr size_t kSizes = 7;  // 1 to 64 KiB

void ExpectAFigureForEach(const json& rows) {
  std::set<std::pair<std::string, uint64_t>> seen;
  for (const json& row : rows) {
    seen.emplace(row.at("transport").get<std::string>(),
                 row.at("bytes").get<uint64_t>());
    EXPECT_GT(row.at("median_us"), 0);
    EXPECT_GE(row.at("p99_us"), row.at("median_us"));
    EXPECT_GT(row.at("bare_median_us"), 0);
    EXPECT_GT(row.at("ratio"), 0);
  }
  EXPECT_EQ(seen.size(), kTransports * kSizes);
}

TEST(BenchProgramTest, NetMeasuresEveryTransportAndSizePolledAndAsleep) {
  for (const bool sleeps : {false, true}) {
    std::vector<std::string> words = {"bench", "net", "--json", "--count",
                                      "20"};
    if (sleeps) words.push_back("--no-polling");
    const ProgramResult result = RunProgram(words);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    ExpectAFigureForEach(json::parse(result.out).at("round_trips"));
  }
}

TEST(BenchProgramTest, AllreduceMeasuresAnyNumberOfProcesses) {
  for (const char* ranks : {"2", "4"}) {
    const ProgramResult result =
        RunProgram({"bench", "allreduce", "--json", "--count", "20", "--ranks",
                    ranks, "--payload", "f64"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    ExpectAFigureForEach(json::parse(result.out).at("exchanges"));
  }
}

TEST(BenchProgramTest, PeerIsForOurOwnUse) {
  for (const char* peer : {"x", "0", "1", "1,tcp://127.0.0.1:1"}) {
    EXPECT_EQ(RunProgram({"bench", "net", "--peer", peer}).exit_code, 1);
  }
}

}  // namespace
}  // namespace shoal::cli

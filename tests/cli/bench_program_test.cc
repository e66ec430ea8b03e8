// `shoal bench net` and `allreduce` as a person runs them; not their figures.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/cli/program.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

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

TEST(BenchProgramTest, DiskMeasuresEveryEngineSizeAndDepthAndLeavesNoFile) {
  const testing::TemporaryFolder folder;
  const ProgramResult result =
      RunProgram({"bench", "disk", "--json", "--store", folder.path(), "--size",
                  "8MiB", "--time", "1ms"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  std::set<std::string> engines;
  std::set<std::tuple<std::string, uint64_t, uint32_t>> seen;
  for (const json& row : report.at("rates")) {
    const auto engine = row.at("engine").get<std::string>();
    engines.insert(engine);
    seen.emplace(engine, row.at("request_bytes").get<uint64_t>(),
                 row.at("depth").get<uint32_t>());
    EXPECT_GT(row.at("bytes_per_second"), 0);
    EXPECT_GT(row.at("busy_bytes_per_second"), 0);
  }
  // One that the system refuses is named with the reason.
  EXPECT_EQ(engines.size() + report.at("refused").size(), 3u);
  EXPECT_TRUE(engines.contains("mmap"));
  EXPECT_EQ(seen.size(), engines.size() * 8 * 4);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(BenchProgramTest, DiskReadsAFileThatIsThereByOneEngine) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.File("weights");
  std::ofstream(path) << std::string(size_t{9} << 20, 'x');
  const ProgramResult result = RunProgram(
      {"bench", "disk", "--io", "pread", "--file", path, "--time", "1ms"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(path));
  EXPECT_THAT(result.out, Not(HasSubstr("mmap")));
  const ProgramResult missing =
      RunProgram({"bench", "disk", "--file", path + "x"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr(path + "x"));
}

TEST(BenchProgramTest, E2eMeasuresTheFleetAndThisDeviceAlone) {
  const testing::TemporaryFolder folder;
  const std::string page = folder.path() + "/report.html";
  const ProgramResult result =
      RunProgram({"bench", "e2e", "-m",
                  absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                               "/models/shoal-stories-3m-q8_0.gguf"),
                  "--local", "2", "--threads", "1", "--prompt-tokens", "20",
                  "--tokens", "5", "--runs", "2", "--store",
                  folder.path() + "/store", "--json", "--html", page});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  ASSERT_EQ(report["rows"].size(), 2u);
  for (const size_t row : {0, 1}) {
    const json& fleet = report["rows"][row];
    ASSERT_EQ(fleet["devices"].size(), 2 - row) << fleet;
    EXPECT_GT(fleet["tokens_per_second"], 0);
    EXPECT_GT(fleet["prompt_tokens_per_second"], 0);
    for (const json& device : fleet["devices"]) {
      EXPECT_GT(device["compute_ms"], 0);
      EXPECT_EQ(device["sent_bytes_per_token"] > 0, row == 0) << device;
    }
  }
  EXPECT_EQ(report["rows"][1]["fleet"], "1 device alone");
  std::ifstream file(page);
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(file), {}),
              HasSubstr("1 device alone"));
}

TEST(BenchProgramTest, PeerIsForOurOwnUse) {
  for (const char* peer : {"x", "0", "1", "1,tcp://127.0.0.1:1"}) {
    EXPECT_EQ(RunProgram({"bench", "net", "--peer", peer}).exit_code, 1);
  }
}

}  // namespace
}  // namespace shoal::cli

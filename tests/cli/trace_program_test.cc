// --trace: what the devices of a real run did when, as a viewer reads it.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/cli/program.h"
#include "tests/testing/temporary_folder.h"
#include "tests/testing/trace_rules.h"

namespace shoal::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr double kClockErrorUs = 5000;  // a machine that is busy

struct Slice {
  std::string name;
  double begin = 0;  // microseconds
  double end = 0;
  json arguments;
};

struct Traced {
  json report;
  std::map<int, std::vector<Slice>> passes;  // by rank: its thread of passes
  std::map<int, std::vector<Slice>> reads;
};

class TraceProgramTest : public ::testing::Test {
 protected:
  Traced Run(const std::string& weights) {
    const std::string path = folder_.path() + "/trace.json";
    const ProgramResult result =
        RunProgram({"run",
                    "-m",
                    absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                                 "/models/shoal-stories-3m-q8_0.gguf"),
                    "-p",
                    "Once upon a time",
                    "--local",
                    "3",
                    "--threads",
                    "1",
                    "--weights",
                    weights,
                    "--max-tokens",
                    "12",
                    "--ignore-eos",
                    "--temperature",
                    "0",
                    "--store",
                    folder_.path() + "/store",
                    "--trace",
                    path,
                    "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, ::testing::Not(HasSubstr("--trace")));
    Traced traced;
    traced.report = json::parse(result.out);
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    EXPECT_THAT(testing::FaultsOfTrace(text.str()), ::testing::IsEmpty());
    const json trace = json::parse(text.str());
    std::map<int, std::set<int>> readers;
    for (const json& event : trace.at("traceEvents")) {
      if (event.at("args").value("name", "").rfind("disk ", 0) == 0) {
        readers[event.at("pid")].insert(event.at("tid").get<int>());
      }
      if (event.at("ph") != "X") continue;
      const double begin = event.at("ts");
      const double duration = event.at("dur");
      const bool is_read = event.at("name") == "read";
      EXPECT_EQ(is_read, readers[event.at("pid")].count(event.at("tid")) == 1)
          << event;
      auto& slices = is_read ? traced.reads : traced.passes;
      slices[event.at("pid").get<int>() - 1].push_back(
          {event.at("name"), begin, begin + duration, event.at("args")});
    }
    for (auto& [device, slices] : traced.passes) {
      std::sort(slices.begin(), slices.end(),
                [](const auto& a, const auto& b) { return a.begin < b.begin; });
    }
    return traced;
  }

  testing::TemporaryFolder folder_;
};

std::vector<Slice> Named(const std::vector<Slice>& slices,
                         const std::string& name) {
  std::vector<Slice> named;
  for (const Slice& slice : slices) {
    if (slice.name == name) named.push_back(slice);
  }
  return named;
}

TEST_F(TraceProgramTest, EveryDeviceTellsWhatItDidWithinItsPasses) {
  const Traced traced = Run("stream");
  ASSERT_EQ(traced.passes.size(), 3u);
  for (const auto& [device, slices] : traced.passes) {
    std::set<std::string> names;
    const std::vector<Slice> passes = Named(slices, "pass");
    double busy_until = 0;
    for (const Slice& slice : slices) {
      names.insert(slice.name);
      if (slice.name == "pass") continue;
      // One thing at a time, and only in passes.
      EXPECT_GE(slice.begin, busy_until - 0.002) << device << slice.name;
      busy_until = slice.end;
      EXPECT_TRUE(std::any_of(passes.begin(), passes.end(),
                              [&](auto& pass) {
                                return pass.begin <= slice.begin + 0.002 &&
                                       slice.end <= pass.end + 0.002;
                              }))
          << device << slice.name;
    }
    for (const char* name : {"pass", "compute", "wait", "exchange"}) {
      EXPECT_TRUE(names.count(name)) << device << name;
    }
  }
}

TEST_F(TraceProgramTest, PassesOfAllDevicesFallTogetherOnOneClock) {
  const Traced traced = Run("stream");
  const std::vector<Slice> first = Named(traced.passes.at(0), "pass");
  ASSERT_EQ(first.size(), 12u);  // the prompt, then 11 tokens
  for (const auto& [device, slices] : traced.passes) {
    const std::vector<Slice> passes = Named(slices, "pass");
    ASSERT_EQ(passes.size(), first.size()) << device;
    for (size_t i = 0; i < passes.size(); ++i) {
      EXPECT_EQ(passes[i].arguments.at("tokens"), first[i].arguments["tokens"]);
      EXPECT_GE(passes[i].begin, first[i].begin - kClockErrorUs);
      EXPECT_LE(passes[i].begin, first[i].end + kClockErrorUs);
    }
  }
}

TEST_F(TraceProgramTest, ReadsHaveTheBytesOfTheReport) {
  const Traced traced = Run("stream");
  for (const json& device : traced.report.at("devices")) {
    const int rank = device.at("rank");
    uint64_t bytes = 0;
    for (const Slice& read : traced.reads.at(rank)) {
      bytes += read.arguments.at("bytes").get<uint64_t>();
    }
    // Norms and the like were read before the counters began, and the window
    // was filled again after they ended.
    const uint64_t counted = device.at("read_bytes");
    const uint64_t window = device.at("window_bytes");
    EXPECT_GE(bytes, counted) << rank;
    EXPECT_LE(bytes, counted + window + (1 << 20)) << rank;
  }
}

TEST_F(TraceProgramTest, NothingIsReadInPassesWhereAllIsResident) {
  const Traced traced = Run("resident");
  ASSERT_EQ(traced.reads.size(), 3u);
  for (const auto& [device, reads] : traced.reads) {
    const double begin = Named(traced.passes.at(device), "pass")[0].begin;
    for (const Slice& read : reads) EXPECT_LE(read.end, begin) << device;
  }
}

TEST(TraceRulesTest, WhatAnImporterWouldDropIsAFault) {
  const auto faults = [](const std::string& events) {
    return testing::FaultsOfTrace(
        "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[" + events + "]}");
  };
  const std::string name =
      R"({"ph":"M","name":"thread_name","pid":1,"tid":7,"args":{"name":"a"}})";
  const auto slice = [](const std::string& times) {
    return absl::StrCat(R"(,{"ph":"X","name":"s","pid":1,"tid":7,"args":{},)",
                        times, "}");
  };
  const std::string whole = slice(R"("ts":1.5,"dur":4)");
  EXPECT_THAT(faults(name + whole + slice(R"("ts":1.5,"dur":3.999)") +
                     slice(R"("ts":5.5,"dur":1)")),
              ::testing::IsEmpty());
  const auto has = [](const std::string& what) {
    return ::testing::ElementsAre(HasSubstr(what));
  };
  EXPECT_THAT(faults(name + whole + slice(R"("ts":5.499,"dur":1)")),
              has("overlaps"));
  // The one that holds the other comes too late.
  EXPECT_THAT(faults(name + slice(R"("ts":1.5,"dur":3)") + whole),
              has("overlaps"));
  EXPECT_THAT(faults(name + slice(R"("ts":1)")), has("dur is no time"));
  EXPECT_THAT(faults(whole.substr(1)), has("thread 7 has no name"));
  EXPECT_THAT(
      faults(
          name +
          R"(,{"ph":"X","name":"s","pid":2,"tid":7,"args":{},"ts":9,"dur":1})"),
      has("of two processes"));
  EXPECT_THAT(
      faults(
          R"({"ph":"M","name":"thread_name","pid":1,"tid":0,"args":{"name":"a"}})"),
      has("tid is no positive number"));
  EXPECT_THAT(testing::FaultsOfTrace("[]"), ::testing::SizeIs(2));
}

TEST_F(TraceProgramTest, AFileThatCannotBeWrittenIsToldBeforeTheRun) {
  const ProgramResult result =
      RunProgram({"run", "-m", "none.gguf", "-p", "x", "--trace",
                  folder_.path() + "/missing/trace.json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("missing/trace.json"));
}

}  // namespace
}  // namespace shoal::cli

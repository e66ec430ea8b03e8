#include "cli/json_report.h"

#include "absl/strings/str_split.h"
#include "cli/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;

RunFacts TwoDevices() {
  RunFacts facts;
  facts.result.text = "a fish";
  facts.result.token_ids = {5, 6, 7};
  facts.result.prompt_tokens = 4;
  facts.result.time_to_first_token = absl::Milliseconds(30);
  facts.result.token_times = {absl::Milliseconds(20), absl::Milliseconds(30)};
  facts.plan.device_names = {"desk", "pi"};
  facts.plan.stages = {{0, 0, 2}, {0, 2, 3}};
  facts.rank_stages = {{0, 1}, {0}};
  facts.rank_is_hub = {true, false};
  for (uint32_t r = 0; r < 2; ++r) {
    parallel::RankReport report;
    report.name = facts.plan.device_names[r];
    report.rank = r;
    report.units = 10 + r;
    report.peak_rss_bytes = 1000;
    report.budget_bytes = 2000;
    report.share_bytes = 700;
    report.resident_bytes = 300;
    report.decode_passes = r == 0 ? 4 : 0;
    report.decode_read_bytes = 1600;
    report.compute = absl::Milliseconds(8);
    report.stall = absl::Milliseconds(4);
    report.wait = absl::Milliseconds(2);
    report.exchange = absl::Milliseconds(1);
    report.sent_bytes = 400;
    report.received_bytes = 800;
    report.waited_for = {absl::ZeroDuration(), absl::Milliseconds(6)};
    facts.reports.push_back(report);
  }
  return facts;
}

TEST(JsonReportTest, HasEveryFieldOfTheDesign) {
  const auto json = nlohmann::json::parse(JsonReport(TwoDevices()));
  EXPECT_EQ(json["text"], "a fish");
  EXPECT_EQ(json["token_ids"], nlohmann::json({5, 6, 7}));
  EXPECT_EQ(json["prompt_tokens"], 4);
  EXPECT_EQ(json["time_to_first_token_ms"], 30.0);
  EXPECT_EQ(json["ms_per_token"], 25.0);
  EXPECT_EQ(json["tokens_per_second"], 40.0);
  EXPECT_EQ(json["plan"]["stages"][0]["ranks"], nlohmann::json({0, 1}));
  EXPECT_EQ(json["plan"]["stages"][1]["head"], true);
  const auto& desk = json["devices"][0];
  EXPECT_EQ(desk["name"], "desk");
  EXPECT_EQ(desk["hub"], true);
  EXPECT_EQ(desk["stages"], nlohmann::json({0, 1}));
  EXPECT_EQ(desk["units"], 10);
  EXPECT_EQ(desk["peak_rss_bytes"], 1000);
  EXPECT_EQ(desk["budget_bytes"], 2000);
  EXPECT_EQ(desk["share_bytes"], 700);
  EXPECT_EQ(desk["resident_bytes"], 300);
  EXPECT_EQ(desk["read_bytes_per_pass"], 400);
  EXPECT_EQ(desk["compute_ms_per_pass"], 2.0);
  EXPECT_EQ(desk["stall_ms_per_pass"], 1.0);
  EXPECT_EQ(desk["wait_ms_per_pass"], 0.5);
  EXPECT_EQ(desk["exchange_ms_per_pass"], 0.25);
  EXPECT_EQ(desk["sent_bytes_per_pass"], 100);
  EXPECT_EQ(desk["received_bytes_per_pass"], 200);
  EXPECT_EQ(desk["waited_for_ms_per_pass"], nlohmann::json({0.0, 1.5}));
}

TEST(JsonReportTest, WithoutDecodePassesThereIsNothingPerPass) {
  const auto json = nlohmann::json::parse(JsonReport(TwoDevices()));
  EXPECT_EQ(json["devices"][1]["read_bytes_per_pass"], 0);
  EXPECT_EQ(json["devices"][1]["compute_ms_per_pass"], 0);
}

TEST(JsonReportTest, BytesThatAreNoTextDoNotBreakIt) {
  RunFacts facts = TwoDevices();
  facts.result.text = "fish \xff";
  const auto json = nlohmann::json::parse(JsonReport(facts));
  EXPECT_EQ(json["text"], "fish \xEF\xBF\xBD");
}

TEST(SummaryTest, HasALineForEachDeviceAndTheRates) {
  const std::string text = SummaryText(TwoDevices());
  EXPECT_THAT(text, HasSubstr("desk"));
  EXPECT_THAT(text, HasSubstr("1000 B / 2 KiB"));
  EXPECT_THAT(text, HasSubstr("400 B"));
  EXPECT_THAT(text, HasSubstr("40.0 tokens/s"));
  EXPECT_THAT(text, HasSubstr("first token after 30 ms"));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 120u);
  }
}

}  // namespace
}  // namespace shoal::cli

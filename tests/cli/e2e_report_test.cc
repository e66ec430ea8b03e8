#include "cli/e2e_report.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

E2eReport Report() {
  E2eReport report;
  report.time = absl::FromUnixSeconds(1700000000);
  report.system = {"0.1.0", "Linux 6.1.0 aarch64", "Cortex-A76", 4,
                   uint64_t{8} << 30};
  report.model = {"stories <3m>", "Q8_0 3 MiB", 3 << 20};
  report.link = "tcp, sealed";
  report.prompt_tokens = 128;
  report.generated_tokens = 64;
  report.runs = 3;
  report.context_positions = 512;
  E2eRow fleet;
  fleet.fleet = "2 devices";
  fleet.prompt_tokens_per_second = 200.25;
  fleet.tokens_per_second = 20.5;
  fleet.time_to_first_token = absl::Milliseconds(640);
  fleet.spread = 0.04;
  for (const char* name : {"desk", "pi<1>"}) {
    parallel::RankReport device;
    device.name = name;
    device.isa = "neon-dotprod";
    device.threads = 4;
    device.decode_passes = 10;
    device.decode_read_bytes = 10 << 20;
    device.sent_bytes = 10 << 10;
    device.peak_rss_bytes = name[0] == 'p' ? 90 << 20 : 70 << 20;
    device.compute = absl::Milliseconds(250);
    fleet.devices.push_back(device);
  }
  E2eRow alone;
  alone.fleet = "1 device alone";
  alone.error = "rank 0 (desk) needs 9 GiB & has 1 GiB";
  report.rows = {fleet, alone};
  return report;
}

TEST(E2eReportTest, TheTextHasBothFleetsAndEveryDevice) {
  const std::string text = E2eText(Report());
  EXPECT_THAT(text, HasSubstr("shoal 0.1.0, Linux 6.1.0 aarch64, Cortex-A76, "
                              "4 cores, 8 GiB\n"));
  EXPECT_THAT(text, HasSubstr("prompt of 128 tokens, 64 generated, median of "
                              "3 runs, links: tcp, sealed; 2023-11-14 22:13 "
                              "UTC\n"));
  EXPECT_THAT(text, HasSubstr("2 devices         200.2  20.50      4%       "
                              "640 ms       90 MiB       2 MiB       2 KiB"));
  EXPECT_THAT(text, HasSubstr("pi<1>   4 x neon-dotprod"));
  EXPECT_THAT(text, HasSubstr("1 device alone: rank 0 (desk) needs 9 GiB"));
}

TEST(E2eReportTest, TheObjectHasTheFigures) {
  const auto json = E2eJson(Report());
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20+00:00");
  EXPECT_EQ(json["system"]["cores"], 4);
  EXPECT_EQ(json["rows"][0]["tokens_per_second"], 20.5);
  EXPECT_EQ(json["rows"][0]["time_to_first_token_ms"], 640.0);
  EXPECT_EQ(json["rows"][0]["devices"][1]["read_bytes_per_token"], 1 << 20);
  EXPECT_EQ(json["rows"][0]["devices"][1]["compute_ms"], 25.0);
  EXPECT_FALSE(json["rows"][1].contains("tokens_per_second"));
  EXPECT_THAT(json["rows"][1]["error"].get<std::string>(),
              HasSubstr("needs 9 GiB"));
}

// Names come from files and from other devices.
TEST(E2eReportTest, ThePageEscapesWhatItIsToldAndAsksForNothing) {
  const std::string html = E2eHtml(Report());
  EXPECT_THAT(html, HasSubstr("<h1>stories &lt;3m&gt;</h1>"));
  EXPECT_THAT(html, HasSubstr("<td>pi&lt;1&gt;</td>"));
  EXPECT_THAT(html, HasSubstr("needs 9 GiB &amp; has 1 GiB"));
  EXPECT_THAT(html, HasSubstr("aria-label=\"Tokens per second\""));
  EXPECT_THAT(html, HasSubstr(">20.50</text>"));
  for (const char* remote : {"http", "src=", "href=", "<script"}) {
    EXPECT_THAT(html, Not(HasSubstr(remote)));
  }
}

}  // namespace
}  // namespace shoal::cli

// The texts of shoal doctor, logs and support-bundle.

#include "absl/strings/str_cat.h"
#include "cli/finding_text.h"
#include "cli/log_text.h"
#include "cli/support_facts.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "security/join_token.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(FindingTextTest, WhatIsNotWellIsFollowedByWhatWouldBeAndTheFix) {
  const std::vector<ExaminedDevice> one = {
      {"pi",
       {health::Pass("version", "1"),
        health::Warn("power", "on battery", "mains", "connect it")}}};
  EXPECT_EQ(FindingText(one),
            "PASS  version  1\n"
            "WARN  power    on battery\n"
            "      expected: mains\n"
            "      fix: connect it\n");
  EXPECT_EQ(VerdictOf(one), absl::OkStatus());
  std::vector<ExaminedDevice> two = one;
  two.push_back({"hub", {health::Fail("disk space", "0", "1", "")}});
  EXPECT_THAT(FindingText(two), HasSubstr("\nhub\nFAIL  disk space  0\n"));
  EXPECT_EQ(VerdictOf(two).message(), "1 check failed: hub: disk space");
  const auto object = nlohmann::json::parse(FindingJson(two));
  EXPECT_EQ(object["failures"], 1);
  EXPECT_EQ(object["warnings"], 1);
  EXPECT_EQ(object["devices"][0]["findings"][1]["fix"], "connect it");
}

TEST(LogTextTest, DevicesStandInFrontAndTheTextsLineUp) {
  const FleetLogLine line = {absl::FromUnixMillis(1500), "pi",
                             base::LogLevel::kWarning, "slow"};
  EXPECT_EQ(LogText(line, 4, absl::UTCTimeZone()),
            "1970-01-01 00:00:01.500 pi   W slow");
  const auto object = nlohmann::json::parse(LogJson(line));
  EXPECT_EQ(object["time"], "1970-01-01T00:00:01.500000Z");
  EXPECT_EQ(object["device"], "pi");
  EXPECT_EQ(object["level"], "warning");
}

TEST(RedactorTest, TokensKeysAndKnownSecretsAreTakenOut) {
  Redactor redactor;
  redactor.AddSecret("0123456789abcdef");
  redactor.AddSecret("short");
  const std::string token = security::JoinToken::Make({}).ToText();
  const std::string key =
      "-----BEGIN PRIVATE KEY-----\nMIIB\nxyz=\n-----END PRIVATE KEY-----\n";
  const std::string certificate =
      "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";
  const std::string clean = redactor.Clean(absl::StrCat(
      "a ", token, " b 0123456789abcdef c short ", key, certificate, key, "d"));
  EXPECT_THAT(clean, Not(HasSubstr(token.substr(8, 10))));
  EXPECT_THAT(clean, Not(HasSubstr("0123456789abcdef")));
  EXPECT_THAT(clean, Not(HasSubstr("MIIB")));
  EXPECT_THAT(clean, Not(HasSubstr("xyz=")));
  EXPECT_THAT(clean, HasSubstr("c short "));
  EXPECT_THAT(clean, HasSubstr(certificate));
  EXPECT_EQ(clean.back(), 'd');
  // A key that was cut off.
  EXPECT_THAT(redactor.Clean("x -----BEGIN EC PRIVATE KEY-----\nMIIB"),
              Not(HasSubstr("MIIB")));
}

}  // namespace
}  // namespace shoal::cli

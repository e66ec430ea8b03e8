#include "health/link_checks.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::health {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Reach Times(absl::Duration least, absl::Duration step) {
  Reach reach{"hub", "pi", "tcp://10.0.0.2:7", {}, {}};
  for (int i = 0; i < 21; ++i) {
    // Not in order.
    reach.round_trips.push_back(least + (i * 8 % 21) * step);
  }
  return reach;
}

TEST(LinkChecksTest, NoAnswerAndARefusalAreToldApart) {
  Reach reach{"hub", "pi", "tcp://10.0.0.2:7", {}, {}};
  EXPECT_EQ(CheckReach(reach).severity, Severity::kPass);
  reach.status = absl::DeadlineExceededError("");
  Finding found = CheckReach(reach);
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_EQ(found.check, "ports, hub to pi");
  EXPECT_EQ(found.value, "no answer from tcp://10.0.0.2:7");
  EXPECT_THAT(found.fix, AllOf(HasSubstr("firewall at pi that drops"),
                               HasSubstr("one-way link")));
  reach.status = absl::UnavailableError("Connection refused");
  found = CheckReach(reach);
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_THAT(found.value, HasSubstr("Connection refused"));
  EXPECT_THAT(found.fix, HasSubstr("rejects"));
}

TEST(LinkChecksTest, SlowRoundTripsWarnAndFail) {
  const absl::Duration none = absl::ZeroDuration();
  EXPECT_EQ(CheckRoundTrip(Times(absl::Milliseconds(1), none)).severity,
            Severity::kPass);
  EXPECT_EQ(CheckRoundTrip(Times(absl::Milliseconds(6), none)).severity,
            Severity::kWarn);
  EXPECT_EQ(CheckRoundTrip(Times(absl::Milliseconds(51), none)).severity,
            Severity::kFail);
}

TEST(LinkChecksTest, JitterIsTheSpreadWithoutTheOutermostTenths) {
  // 1 to 41 ms: the tenths lie at 5 and 37.
  const Finding found =
      CheckRoundTrip(Times(absl::Milliseconds(1), absl::Milliseconds(2)));
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_EQ(found.value, "median 21 ms, jitter 32 ms (10 % to 90 % of 21)");
  Reach one_late = Times(absl::Milliseconds(1), absl::ZeroDuration());
  one_late.round_trips[3] = absl::Seconds(1);
  EXPECT_EQ(CheckRoundTrip(one_late).severity, Severity::kPass);
}

TEST(LinkChecksTest, AnotherProtocolFailsAndAnotherProgramWarns) {
  const Version ours = {"0.2.0", 3};
  EXPECT_EQ(CheckVersion("pi", {"0.2.0", 3}, ours).severity, Severity::kPass);
  EXPECT_EQ(CheckVersion("pi", {"0.1.0", 3}, ours).severity, Severity::kWarn);
  const Finding found = CheckVersion("pi", {"0.1.0", 2}, ours);
  EXPECT_EQ(found.severity, Severity::kFail);
  EXPECT_THAT(found.value, HasSubstr("protocol 2"));
  EXPECT_THAT(found.expected, HasSubstr("protocol 3"));
  EXPECT_THAT(found.fix, HasSubstr("on pi"));
}

TEST(LinkChecksTest, ClocksThatDifferAreToldWhicheverIsAhead) {
  const absl::Duration error = absl::Milliseconds(1);
  EXPECT_EQ(CheckClock(absl::Seconds(-1), error).severity, Severity::kPass);
  const Finding found = CheckClock(absl::Seconds(-3), error);
  EXPECT_EQ(found.severity, Severity::kWarn);
  EXPECT_THAT(found.value, HasSubstr("behind"));
  EXPECT_EQ(CheckClock(absl::Hours(1), error).severity, Severity::kFail);
}

}  // namespace
}  // namespace shoal::health

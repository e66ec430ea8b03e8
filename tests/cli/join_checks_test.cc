// Against a coordinator in this process, with a rank that does nothing.

#include "cli/join_checks.h"

#include <memory>
#include <string>

#include "coordinator/coordinator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/fake_rank.h"
#include "tests/testing/free_port.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;

class JoinChecksTest : public ::testing::Test {
 protected:
  JoinChecksTest() {
    coordinator::CoordinatorOptions options;
    options.token = "secret";
    options.program_version = "1.2.3";
    parallel::DeviceProfile profile;
    profile.name = "desk";
    coordinator_ = coordinator::Coordinator::Create(options, rank_, profile);
    const auto address = coordinator_->Listen();
    EXPECT_TRUE(address.ok()) << address.status();
    if (address.ok()) checks_.address = *address;
    checks_.plain_token = "secret";
    checks_.insecure = true;
    checks_.program_version = "1.2.3";
  }
  // Of the check of that name; none: a finding without a value.
  static health::Finding Of(const health::Findings& findings,
                            const std::string& check) {
    for (const health::Finding& finding : findings) {
      if (finding.check == check) return finding;
    }
    return {};
  }

  coordinator::FakeRank rank_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  JoinCheckOptions checks_;
};

TEST_F(JoinChecksTest, WhereAllIsWellEveryStepPasses) {
  const health::Findings findings = CheckJoin(checks_);
  EXPECT_EQ(findings.size(), 11u);
  for (const health::Finding& finding : findings) {
    EXPECT_EQ(finding.severity, health::Severity::kPass)
        << finding.check << ": " << finding.value;
  }
  EXPECT_EQ(Of(findings, "token").value, "that of desk");
}

TEST_F(JoinChecksTest, AnotherProtocolVersionIsNamedWithBothNumbers) {
  checks_.protocol_version = proto::kFleetProtocolVersion + 1;
  checks_.program_version = "2.0.0";
  const health::Findings findings = CheckJoin(checks_);
  const health::Finding version = Of(findings, "version");
  EXPECT_EQ(version.severity, health::Severity::kFail);
  EXPECT_THAT(version.value, HasSubstr("shoal 2.0.0, protocol 3"));
  EXPECT_THAT(version.expected, HasSubstr("shoal 1.2.3, protocol 2"));
  // Nothing else was tried.
  EXPECT_EQ(Of(findings, "token").value, "");
}

TEST_F(JoinChecksTest, AnotherProgramIsWarnedOf) {
  checks_.program_version = "1.2.2";
  EXPECT_EQ(Of(CheckJoin(checks_), "version").severity,
            health::Severity::kWarn);
}

TEST_F(JoinChecksTest, AWrongTokenIsToldAndNotRepeated) {
  checks_.plain_token = "wrong-one";
  const health::Findings findings = CheckJoin(checks_);
  const health::Finding token = Of(findings, "token");
  EXPECT_EQ(token.severity, health::Severity::kFail);
  EXPECT_THAT(token.value, Not(HasSubstr("wrong-one")));
  EXPECT_EQ(Of(findings, "ports, the coordinator to this device").value, "");
}

TEST_F(JoinChecksTest, ACoordinatorWithoutTlsIsToldToWhoExpectsIt) {
  checks_.insecure = false;
  const health::Finding tls = Of(CheckJoin(checks_), "TLS");
  EXPECT_EQ(tls.severity, health::Severity::kFail);
  EXPECT_THAT(tls.fix, HasSubstr("--insecure"));
}

TEST_F(JoinChecksTest, WhereNobodyListensThePortIsRefused) {
  checks_.address = absl::StrCat("127.0.0.1:", testing::FreePort());
  const health::Finding port = Of(CheckJoin(checks_), "port");
  EXPECT_EQ(port.severity, health::Severity::kFail);
  EXPECT_THAT(port.value, HasSubstr("Connection refused"));
}

}  // namespace
}  // namespace shoal::cli

// Networks that lose packets, in one direction or at random: the fault is told
// where a person looks, soon, and no token is wrong.

#include <signal.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "security/fleet_secrets.h"
#include "tests/e2e/cable.h"
#include "tests/e2e/fleet_processes.h"
#include "tests/e2e/lab.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramOptions;
using cli::ProgramResult;
using ::testing::AllOf;
using testing::Cable;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::ReadWaiting;

constexpr absl::Duration kToldWithin = absl::Seconds(40);
constexpr absl::Duration kEndedWithin = absl::Seconds(20);

class LinkFaultTest : public testing::FleetProcessesTest {
 protected:
  // As many tokens as there is room for, each the most likely one, if `more`
  // does not say how many.
  static std::vector<std::string> Story(const std::vector<std::string>& more) {
    std::vector<std::string> words =
        StoryRun({"--ignore-eos", "--ctx", "512", "--temperature", "0",
                  "--payload", "f64"});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static std::vector<std::string> Listening(const std::string& address) {
    return Story({"--listen", address + ":0", "--insecure", "--expect", "1"});
  }
  ProgramOptions On(std::vector<std::string> launcher,
                    const std::string& token = "") const {
    ProgramOptions options = Environment();
    options.launcher = std::move(launcher);
    if (!token.empty()) options.environment["SHOAL_TOKEN"] = token;
    return options;
  }
  static std::vector<std::string> Worker(const std::string& address) {
    return {"worker", "--join", address, "--name", "pi", "--insecure"};
  }

  // Nothing of it may be wrong, however far it came.
  void ExpectPartOfTheStory(const std::string& told) const {
    const ProgramResult whole = Run(Story({"--local", "2"}));
    ASSERT_EQ(whole.exit_code, 0) << whole.err;
    EXPECT_LT(told.size(), whole.out.size()) << "it was told before the fault";
    std::string said = told;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    EXPECT_TRUE(absl::StartsWith(whole.out, said)) << told;
  }

  // Breaks the network in the middle of a story; the coordinator has to say so
  // and to end, and the worker to end when it is asked.
  void ExpectLossTold(const std::string& address,
                      const std::vector<std::string>& here,
                      const std::vector<std::string>& there,
                      const std::function<absl::Status()>& fault) {
    Program coordinator(Listening(address), On(here));
    const testing::Waiting waiting = ReadWaiting(coordinator);
    const std::string join = absl::StrCat(address, ":", waiting.port);
    Program worker(Worker(join), On(there, waiting.token));
    ASSERT_TRUE(coordinator.WaitForOutput("the")) << coordinator.so_far().err;
    ASSERT_EQ(fault(), absl::OkStatus());
    const absl::Time broken = absl::Now();
    const ProgramResult result = coordinator.Wait();
    EXPECT_LT(absl::Now() - broken, kToldWithin);
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_THAT(
        result.err,
        AllOf(
            ContainsRegex("shoal: pi \\(rank 1\\): .*(no answer for [0-9.]+s: "
                          "it hangs|its connection broke: the process died), "
                          "its network is cut, or packets get lost one way; "),
            ContainsRegex("check that .* and port [0-9]+ of this device reach "
                          "each other, both ways")));
    ExpectPartOfTheStory(result.out);
    EXPECT_TRUE(worker.WaitForError("lost the coordinator at " + join));
    EXPECT_LT(absl::Now() - broken, kToldWithin);
    worker.Signal(SIGTERM);
    const absl::Time asked = absl::Now();
    worker.Wait();
    EXPECT_LT(absl::Now() - asked, kEndedWithin);
  }
};

// `who` cannot be heard: 1, the coordinator, or 2, the worker.
class OneWayLinkTest : public LinkFaultTest,
                       public ::testing::WithParamInterface<int> {
 protected:
  void ExpectToldBeforeTheJoin(const std::vector<std::string>& security,
                               const std::vector<std::string>& worker_security);
};

// With TLS, and without.
void OneWayLinkTest::ExpectToldBeforeTheJoin(
    const std::vector<std::string>& security,
    const std::vector<std::string>& worker_security) {
  const auto cable = Cable::Plug();
  if (!cable.ok()) GTEST_SKIP() << cable.status().message();
  const std::string address = (*cable)->AddressOf(1);
  std::vector<std::string> words =
      Story({"--listen", address + ":0", "--expect", "1"});
  words.insert(words.end(), security.begin(), security.end());
  Program coordinator(words, On((*cable)->Launcher(1)));
  const testing::Waiting waiting = ReadWaiting(coordinator);
  ASSERT_EQ((*cable)->LoseWhatIsSentBy(GetParam()), absl::OkStatus());
  const std::string join = absl::StrCat(address, ":", waiting.port);
  words = {"worker", "--join", join, "--name", "pi"};
  words.insert(words.end(), worker_security.begin(), worker_security.end());
  const absl::Time begin = absl::Now();
  Program worker(words, On((*cable)->Launcher(2), waiting.token));
  ASSERT_TRUE(worker.WaitForError("both ways")) << worker.so_far().err;
  EXPECT_LT(absl::Now() - begin, kToldWithin);
  EXPECT_THAT(worker.so_far().err,
              AllOf(HasSubstr("cannot reach a coordinator at " + join),
                    HasSubstr("that this device and " + join +
                              " reach each other, both ways")));
  const ProgramResult result = coordinator.Wait();
  EXPECT_LT(absl::Now() - begin, kToldWithin);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("0 of 1 workers joined in time"),
                    HasSubstr(absl::StrCat("check that they reach port ",
                                           waiting.port, " of this device"))));
  const absl::Time asked = absl::Now();
  worker.Signal(SIGTERM);
  worker.Wait();
  EXPECT_LT(absl::Now() - asked, kEndedWithin);
}

TEST_P(OneWayLinkTest, BeforeTheJoinTheWorkerSaysWhatToLookAt) {
  ExpectToldBeforeTheJoin({"--insecure", "--join-timeout", "22s"},
                          {"--insecure"});
}

TEST_P(OneWayLinkTest, BeforeAJoinOverTlsTheWorkerSaysWhatToLookAt) {
  const std::string folder = cache_.File("secrets");
  ExpectToldBeforeTheJoin({"--secrets", folder, "--join-timeout", "9s"},
                          {"--token-file", security::FilesIn(folder).token});
}

TEST_P(OneWayLinkTest, WhileItGeneratesTheLossIsTold) {
  const auto cable = Cable::Plug();
  if (!cable.ok()) GTEST_SKIP() << cable.status().message();
  ExpectLossTold((*cable)->AddressOf(1), (*cable)->Launcher(1),
                 (*cable)->Launcher(2),
                 [&] { return (*cable)->LoseWhatIsSentBy(GetParam()); });
}

INSTANTIATE_TEST_SUITE_P(Unheard, OneWayLinkTest, ::testing::Values(1, 2),
                         [](const auto& who) {
                           return who.param == 1 ? "Coordinator" : "Worker";
                         });

class DroppedPacketsTest : public LinkFaultTest {
 protected:
  void SetUp() override {
    auto lab = testing::Lab::Start(2);
    if (!lab.ok()) GTEST_SKIP() << lab.status().message();
    lab_ = *std::move(lab);
  }
  std::unique_ptr<testing::Lab> lab_;
};

TEST_F(DroppedPacketsTest, AStoryOverALossyLinkHasTheSameBits) {
  ASSERT_EQ(lab_->SetLink(2, {"loss=2%"}), absl::OkStatus());
  const std::vector<std::string> less = {"--max-tokens", "60"};
  std::vector<std::string> words = Listening(lab_->AddressOf(1));
  words.insert(words.end(), less.begin(), less.end());
  Program coordinator(words, On(lab_->Launcher(1)));
  const testing::Waiting waiting = ReadWaiting(coordinator);
  Program worker(Worker(absl::StrCat(lab_->AddressOf(1), ":", waiting.port)),
                 On(lab_->Launcher(2), waiting.token));
  const ProgramResult result = coordinator.Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  words = Story({"--local", "2"});
  words.insert(words.end(), less.begin(), less.end());
  EXPECT_EQ(result.out, Run(words).out);
}

TEST_F(DroppedPacketsTest, WhenAllAreDroppedTheLossIsTold) {
  ExpectLossTold(lab_->AddressOf(1), lab_->Launcher(1), lab_->Launcher(2),
                 [&] { return lab_->SetLink(2, {"loss=100%"}); });
}

}  // namespace
}  // namespace shoal

#include "cli/top_control.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "cli/change_runner.h"
#include "cli/top_terminal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using coordinator::FleetChange;
using ::testing::HasSubstr;
using ::testing::Not;

class TopControlTest : public ::testing::Test {
 protected:
  TopControlTest() {
    proto::WatchUpdate update;
    for (const char* name : {"desk", "edge1", "edge2"}) {
      update.mutable_snapshot()
          ->add_devices()
          ->mutable_status()
          ->mutable_profile()
          ->set_name(name);
    }
    state_.Apply(update);
  }

  void Press(const std::string& keys) {
    for (const char key : keys) control_.Press(key);
  }
  // The screen at 80x24.
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const StyledLine& line : LayOut(state_, TopScreen())) {
      lines.push_back(line.Text());
      EXPECT_LE(line.width(), 80) << lines.back();
    }
    EXPECT_EQ(lines.size(), 24u);
    return lines;
  }

  TopState state_;
  TopControl control_{state_};
};

TEST_F(TopControlTest, EachChangeIsAskedForBeforeItIsMade) {
  control_.Press(kKeyDown);
  control_.Press(kKeyDown);
  control_.Press(kKeyDown);
  EXPECT_EQ(state_.selected, "edge2");
  Press("d");
  EXPECT_FALSE(control_.TakeChange());
  EXPECT_THAT(Lines()[22], HasSubstr("drain edge2? y/n"));
  Press("y");
  const auto drain = control_.TakeChange();
  ASSERT_TRUE(drain);
  EXPECT_EQ(drain->kind, FleetChange::Kind::kDrain);
  EXPECT_EQ(drain->device, "edge2");
  EXPECT_FALSE(control_.TakeChange());

  control_.Press(kKeyUp);
  Press("r");
  EXPECT_EQ(state_.message, "resume edge1? y/n");
  Press("y");
  EXPECT_EQ(control_.TakeChange()->kind, FleetChange::Kind::kResume);
  Press("py");
  const auto replan = control_.TakeChange();
  ASSERT_TRUE(replan);
  EXPECT_EQ(replan->kind, FleetChange::Kind::kReplan);
  EXPECT_TRUE(replan->device.empty());
}

TEST_F(TopControlTest, AnyOtherAnswerChangesNothing) {
  for (const int answer : {int{'n'}, int{'d'}, int{'q'}, kKeyEscape}) {
    Press("p");
    control_.Press(answer);
    EXPECT_FALSE(control_.TakeChange()) << answer;
    EXPECT_FALSE(control_.quits());
    EXPECT_EQ(state_.message, "nothing was changed");
  }
}

TEST_F(TopControlTest, WithoutASelectedDeviceTheArrowsAreNamed) {
  Press("d");
  EXPECT_THAT(Lines()[22], HasSubstr("select a device first"));
  Press("y");
  EXPECT_FALSE(control_.TakeChange());
}

TEST_F(TopControlTest, ArrowsGoThroughTheDevicesThatAreShown) {
  control_.Press(kKeyUp);
  EXPECT_EQ(state_.selected, "edge2");  // the last
  control_.Press(kKeyUp);
  control_.Press(kKeyUp);
  control_.Press(kKeyUp);
  EXPECT_EQ(state_.selected, "desk");
  state_.filter = "edge";
  control_.Press(kKeyDown);
  EXPECT_EQ(state_.selected, "edge1");
  const std::vector<std::string> lines = Lines();
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const std::string& line) {
                            return absl::StartsWith(line, ">edge1 ");
                          }),
            1);
}

TEST_F(TopControlTest, TheLastLineNamesTheKeysAndARecordingHasNoChanges) {
  for (const char* key : {"space pause", "arrows select", "d drain", "r resume",
                          "p replan", "q quit", "f filter"}) {
    EXPECT_THAT(Lines()[23], HasSubstr(key));
  }
  state_.is_replay = true;
  EXPECT_THAT(Lines()[23], Not(HasSubstr("drain")));
  for (const char key : {'d', 'r', 'p'}) {
    state_.message.clear();
    control_.Press(key);
    EXPECT_THAT(Lines()[22], HasSubstr("this is a recording"));
    control_.Press('y');
    EXPECT_FALSE(control_.TakeChange());
  }
}

TEST_F(TopControlTest, ALongReasonIsBrokenIntoLines) {
  state_.message =
      "the model would not fit without edge2: rank 1 (edge1) has a budget of "
      "34 MiB but its floor is 51.6 MiB; nothing was changed";
  const std::vector<std::string> lines = Lines();
  EXPECT_THAT(lines[21], HasSubstr("the model would not fit without edge2:"));
  EXPECT_THAT(lines[22], HasSubstr("nothing was changed"));
}

TEST_F(TopControlTest, NoOtherChangeIsAskedForWhileOneRuns) {
  state_.is_changing = true;
  state_.message = "loading: edge1 fetching units 40 %";
  Press("py");
  EXPECT_FALSE(control_.TakeChange());
  EXPECT_THAT(state_.message, HasSubstr("40 %"));
}

ChangeRunner::News TakeEnd(ChangeRunner& runner) {
  for (;;) {
    if (const auto news = runner.Take(); news && news->ended) return *news;
    std::this_thread::yield();
  }
}

TEST(ChangeRunnerTest, GivesTheResultOrTheReason) {
  absl::Status reason;
  ChangeRunner runner([&](const FleetChange& change, const auto& on_news,
                          const auto&) -> absl::StatusOr<ChangeState> {
    on_news({"loading", false, 0, {}});
    if (!reason.ok()) return reason;
    return ChangeState{change.device + " drained", true, 2, {}};
  });
  FleetChange drain;
  drain.device = "edge2";
  runner.Start(drain);
  EXPECT_EQ(TakeEnd(runner).text, "edge2 drained");
  reason = absl::ResourceExhaustedError("it would not fit");
  runner.Start(drain);
  EXPECT_EQ(TakeEnd(runner).text, "it would not fit");
}

TEST(ChangeRunnerTest, ItsEndDoesNotWaitForTheChange) {
  ChangeRunner runner(
      [](const auto&, const auto&,
         const std::atomic<bool>& cancel) -> absl::StatusOr<ChangeState> {
        while (!cancel) std::this_thread::yield();
        return ChangeState();
      });
  runner.Start({});
}

}  // namespace
}  // namespace shoal::cli

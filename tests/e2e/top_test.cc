// `shoal top` in a terminal, beside a generation that runs: what it shows is
// what the run itself reports.

#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"
#include "tests/testing/tmux_pane.h"
#include "tests/testing/virtual_terminal.h"

namespace shoal::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kPatience = absl::Seconds(45);

std::string AddressOf(const cli::Program& run) {
  const std::string& said = run.so_far().err;
  const size_t begin = said.find("coordinator at ") + 15;
  return said.substr(begin, said.find('\n', begin) - begin);
}

// As the screen has them.
std::string Short(double number) {
  return absl::StrFormat("%.*f",
                         number >= 99.95   ? 0
                         : number >= 9.995 ? 1
                                           : 2,
                         number);
}

class TopTest : public FleetProcessesTest {
 protected:
  static std::unique_ptr<VirtualTerminal> Open(
      int width, int height, const std::vector<std::string>& arguments,
      std::map<std::string, std::string> environment = {}) {
    std::vector<std::string> words = {SHOAL_PROGRAM, "top"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    environment.insert({"LC_ALL", "C.UTF-8"});
    return std::make_unique<VirtualTerminal>(width, height, words, environment);
  }

  static absl::Time Deadline() { return absl::Now() + kPatience; }
};

TEST_F(TopTest, InTmuxItsFiguresAreThoseOfTheRunAtBothSizes) {
  const absl::Status is_here = TmuxPane::IsHere();
  if (!is_here.ok()) GTEST_SKIP() << is_here.message();
  cli::Program run(
      StoryRun({"--local", "4", "--shares", "4,2,1,1", "--weights", "stream",
                "--max-tokens", "400", "--ignore-eos", "--json"}),
      Environment());
  ASSERT_TRUE(run.WaitForError("coordinator at "));
  const std::vector<std::string> words = {
      SHOAL_PROGRAM, "top", "--coordinator", AddressOf(run), "--rate", "4"};
  const TmuxPane small(80, 24, words);
  const TmuxPane large(200, 60, words);
  ASSERT_TRUE(run.WaitForError("generating\n"));
  // The toy is fast: it is held up while the screens are looked at, for less
  // than the three seconds after which a device counts as lost.
  const pid_t worker = cli::ChildrenOf(run.pid()).at(0);
  kill(worker, SIGSTOP);
  for (const TmuxPane* terminal : {&small, &large}) {
    EXPECT_TRUE(terminal->WaitFor("1 running", absl::Now() + absl::Seconds(1)))
        << terminal->Text();
  }
  kill(worker, SIGCONT);
  for (const TmuxPane* terminal : {&small, &large}) {
    // The last line says so, too, when all above it is drawn.
    EXPECT_TRUE(terminal->WaitFor("the coordinator ended", Deadline()))
        << terminal->Text();
    EXPECT_THAT(terminal->Text(), HasSubstr("ENDED"));
    EXPECT_THAT(terminal->Text(), HasSubstr("ms/token now"));
  }
  const cli::ProgramResult result = run.Wait();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  const json& first = report["devices"][0];
  double token_ms = 0;
  for (const char* part : {"compute", "stall", "wait", "exchange"}) {
    token_ms += first[absl::StrCat(part, "_ms_per_pass")].get<double>();
  }
  for (const TmuxPane* terminal : {&small, &large}) {
    const std::string text = terminal->Text();
    EXPECT_THAT(text, HasSubstr(absl::StrCat(Short(report["tokens_per_second"]),
                                             " average")));
    EXPECT_THAT(text, HasSubstr(absl::StrCat(
                          "first token ",
                          Short(report["time_to_first_token_ms"]), " ms")));
    EXPECT_THAT(text,
                HasSubstr(absl::StrCat(Short(token_ms), " since the start")));
    EXPECT_THAT(text, HasSubstr("plan 1: 4 devices, 1 stage"));
    EXPECT_THAT(text, HasSubstr("events, newest first"));
    for (const json& device : report["devices"]) {
      EXPECT_THAT(text, HasSubstr(absl::StrCat(
                            "\n", device["name"].get<std::string>(), " ")));
    }
    EXPECT_THAT(text, HasSubstr("serving"));
    EXPECT_THAT(text, HasSubstr("\nhead"));
    terminal->Type("q");
    EXPECT_EQ(terminal->Wait(Deadline()), 0);
  }
}

TEST_F(TopTest, KeysTakeADeviceOutOfAServiceAndBack) {
  const absl::Status is_here = TmuxPane::IsHere();
  if (!is_here.ok()) GTEST_SKIP() << is_here.message();
  cli::Program service({"serve", "-m", StoryModelPath(), "--local", "2",
                        "--threads", "1", "--http", "127.0.0.1:0"},
                       Environment());
  ASSERT_TRUE(service.WaitForError("ready: ")) << service.so_far().err;
  const std::string& said = service.so_far().err;
  const size_t begin = said.find("gRPC at ") + 8;
  const std::string address =
      said.substr(begin, said.find('\n', begin) - begin);
  const TmuxPane pane(
      80, 24, {SHOAL_PROGRAM, "top", "--coordinator", address, "--rate", "4"});
  ASSERT_TRUE(pane.WaitFor("\nlocal-1 ", Deadline())) << pane.Text();
  pane.Type("d");
  EXPECT_TRUE(pane.WaitFor("select a device first", Deadline()));
  // The last row.
  pane.Press("Up");
  pane.Type("d");
  EXPECT_TRUE(pane.WaitFor("drain local-1?", Deadline())) << pane.Text();
  pane.Type("n");
  EXPECT_TRUE(pane.WaitFor("nothing was changed", Deadline()));
  pane.Type("dy");
  EXPECT_TRUE(pane.WaitFor("drained", Deadline())) << pane.Text();
  EXPECT_TRUE(pane.WaitFor("plan 2: 1 device", Deadline())) << pane.Text();
  pane.Type("ry");
  EXPECT_TRUE(pane.WaitFor("plan 3: 2 devices", Deadline())) << pane.Text();
  pane.Type("py");
  EXPECT_TRUE(pane.WaitFor("plan 4: 2 devices", Deadline())) << pane.Text();
  pane.Type("q");
  EXPECT_EQ(pane.Wait(Deadline()), 0);
}

TEST_F(TopTest, KeysPauseFilterAndQuitAReplay) {
  const std::string file = cache_.File("watch");
  {
    cli::Program run(
        StoryRun({"--local", "2", "--max-tokens", "200", "--ignore-eos"}),
        Environment());
    ASSERT_TRUE(run.WaitForError("coordinator at "));
    const cli::ProgramResult recorded = Run(
        {"top", "--coordinator", AddressOf(run), "--plain", "--record", file});
    EXPECT_EQ(recorded.exit_code, 0) << recorded.err;
    EXPECT_THAT(recorded.out, HasSubstr("device local-1 serving"));
    EXPECT_THAT(recorded.out, HasSubstr("the coordinator ended"));
    EXPECT_EQ(run.Wait().exit_code, 0);
  }
  // The same lines again.
  const cli::ProgramResult plain = Run({"top", "--replay", file});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_THAT(plain.out, HasSubstr("the coordinator ended"));

  const auto terminal = Open(100, 30, {"--replay", file});
  EXPECT_TRUE(terminal->WaitFor("end of the file", Deadline()))
      << terminal->Text();
  EXPECT_THAT(terminal->Text(), HasSubstr("replay"));
  terminal->Type(" ");
  EXPECT_TRUE(terminal->WaitFor("PAUSED", Deadline())) << terminal->Text();
  terminal->Type("flocal-1\r");
  EXPECT_TRUE(terminal->WaitFor("showing only: local-1", Deadline()))
      << terminal->Text();
  EXPECT_THAT(terminal->Text(), HasSubstr("\nlocal-1 "));
  EXPECT_THAT(terminal->Text(), Not(HasSubstr("\nlocal-0 ")));
  terminal->Type("q");
  EXPECT_EQ(terminal->Wait(Deadline()), 0);

  // A damaged file shows what is whole, and says so: an update of 7 bytes, of
  // which one is there.
  std::ofstream(file, std::ios::binary | std::ios::app) << "\x07\x0a";
  const cli::ProgramResult cut = Run({"top", "--replay", file});
  EXPECT_EQ(cut.exit_code, 1);
  EXPECT_THAT(cut.out, HasSubstr("device local-1 serving"));
  EXPECT_THAT(cut.err, HasSubstr("the file ends within an update"));
}

TEST_F(TopTest, WithNoColorNoColourIsSet) {
  const std::string file = cache_.File("empty");
  // An update whose snapshot is empty: its length, field 1, no bytes.
  std::ofstream(file, std::ios::binary) << '\x02' << '\x0a' << '\x00';
  for (const bool wants_colour : {true, false}) {
    const auto terminal = Open(
        80, 24, {"--replay", file},
        {{"TERM", "xterm-256color"}, {"NO_COLOR", wants_colour ? "" : "1"}});
    EXPECT_TRUE(terminal->WaitFor("end of the file", Deadline()));
    terminal->Type("q");
    EXPECT_EQ(terminal->Wait(Deadline()), 0);
    EXPECT_EQ(terminal->saw_colour(), wants_colour);
  }
}

TEST_F(TopTest, WithoutACoordinatorItSaysSo) {
  const cli::ProgramResult result =
      Run({"top", "--coordinator", "127.0.0.1:1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(result.err, HasSubstr("start one with shoal serve"));
}

}  // namespace
}  // namespace shoal::testing

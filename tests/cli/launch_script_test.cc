#include "cli/launch_script.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/subprocess.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;

TEST(ShellWordTest, IsOneWordWhateverIsInIt) {
  const std::string text = "a 'b' \"$HOME\" `id` \\ ; x\ny";
  const auto result = RunSubprocess(
      {.command = {"/bin/sh", "-c",
                   absl::StrCat("printf '%s' ", ShellWord(text))}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, text);
}

TEST(AnswersInTest, LooksAtItsOwnLinesAlone) {
  const auto answers =
      AnswersIn("Welcome to pi!\nshoal:arch=x86_64\nshoal:joined=a=b\nbye");
  EXPECT_EQ(answers, (std::map<std::string, std::string>{{"arch", "x86_64"},
                                                         {"joined", "a=b"}}));
}

TEST(SubprocessTest, GivesOutputsAndExitCode) {
  const auto result =
      RunSubprocess({.command = {"/bin/sh", "-c", "cat; echo oops >&2; exit 3"},
                     .input = "hello"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "hello");
  EXPECT_EQ(result->err, "oops\n");
  EXPECT_EQ(result->exit_code, 3);
}

TEST(SubprocessTest, FeedsAWholeFile) {
  const testing::TemporaryFolder folder;
  const std::string text(size_t{300} << 10, 'x');
  std::ofstream(folder.File("input")) << text;
  uint64_t fed = 0;
  const auto result =
      RunSubprocess({.command = {"cat"},
                     .input_file = folder.File("input"),
                     .on_progress = [&](uint64_t bytes) { fed = bytes; }});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, text);
  EXPECT_EQ(fed, text.size());
}

TEST(SubprocessTest, ProgramsThatHangOrAreNotThereAreErrors) {
  EXPECT_EQ(RunSubprocess({.command = {"sleep", "1000"},
                           .silence_max = absl::Milliseconds(20)})
                .status()
                .code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(
      RunSubprocess({.command = {"no-such-program-here"}}).status().code(),
      absl::StatusCode::kNotFound);
  EXPECT_EQ(RunSubprocess({.command = {"cat"}, .input_file = "/nonexistent"})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

class LaunchScriptTest : public ::testing::Test {
 protected:
  LaunchScriptTest() { setenv("XDG_STATE_HOME", folder_.path().c_str(), 1); }
  ~LaunchScriptTest() override { unsetenv("XDG_STATE_HOME"); }

  std::map<std::string, std::string> Say(const std::string& script) {
    const auto result =
        RunSubprocess({.command = {"/bin/sh", "-s"}, .input = script});
    EXPECT_TRUE(result.ok()) << result.status();
    return AnswersIn(result->out);
  }
  std::string File(const std::string& name) const {
    return folder_.File(absl::StrCat("shoal/my-fleet/pi-1/", name));
  }

  const testing::TemporaryFolder folder_;
  const LaunchId id_ = {"my fleet", "pi-1"};
};

// A worker that only says what a worker says first.
constexpr char kFake[] =
    "#!/bin/sh\necho \"$@\" > \"$0.words\"\n"
    "echo 'joined desk at x' >&2\nexec sleep 1000\n";

TEST_F(LaunchScriptTest, StartsKnowsAndStopsItsOwnProcess) {
  const std::string program = folder_.File("fake worker");
  std::ofstream(program) << kFake;
  std::filesystem::permissions(program, std::filesystem::perms::all);
  StartOptions start;
  start.id = id_;
  start.program = ShellWord(program);
  start.token = "secret";
  start.join_host = "10.0.0.1";
  start.join_port = "7070";
  start.flags = {"--store", "a b"};
  auto answers = Say(StartScript(start));
  EXPECT_EQ(answers["joined"], "joined desk at x");
  const std::string pid = answers["started"];
  EXPECT_EQ(Say(RunningScript(id_))["running"], pid);
  EXPECT_EQ(Say(StartScript(start))["already"], pid);
  std::ifstream words(program + ".words");
  const std::string line{std::istreambuf_iterator<char>(words), {}};
  EXPECT_THAT(line, HasSubstr("worker --join 10.0.0.1:7070 --name pi-1 "
                              "--token-file "));
  EXPECT_THAT(line, HasSubstr("--store a b"));
  EXPECT_EQ(
      std::filesystem::status(File("token")).permissions(),
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(Say(StopScript(id_))["stopped"], pid);
  EXPECT_FALSE(std::filesystem::exists(File("token")));
  EXPECT_TRUE(Say(RunningScript(id_)).empty());
  EXPECT_EQ(Say(StopScript(id_)).count("none"), 1u);
}

TEST_F(LaunchScriptTest, DoesNotTouchAProcessThatHasComeToThePid) {
  const pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    execlp("sleep", "sleep", "1000", nullptr);
    _exit(127);
  }
  std::filesystem::create_directories(
      std::filesystem::path(File("pid")).parent_path());
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::ofstream(File("pid")) << other << " 12345 " << boot << "\n";
  EXPECT_EQ(Say(StopScript(id_)).count("none"), 1u);
  EXPECT_EQ(kill(other, 0), 0);
  EXPECT_EQ(waitpid(other, nullptr, WNOHANG), 0);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
}

TEST_F(LaunchScriptTest, TheAddressOfSshStandsForAnEmptyHost) {
  const std::string program = folder_.File("fake");
  std::ofstream(program) << kFake;
  std::filesystem::permissions(program, std::filesystem::perms::all);
  StartOptions start;
  start.id = id_;
  start.program = ShellWord(program);
  start.join_port = "7070";
  setenv("SSH_CONNECTION", "fe80::1 50000 fe80::2 22", 1);
  const auto answers = Say(StartScript(start));
  unsetenv("SSH_CONNECTION");
  EXPECT_EQ(answers.count("joined"), 1u);
  std::ifstream words(program + ".words");
  const std::string line{std::istreambuf_iterator<char>(words), {}};
  EXPECT_THAT(line, HasSubstr("--join [fe80::1]:7070 "));
  Say(StopScript(id_));
}

}  // namespace
}  // namespace shoal::cli

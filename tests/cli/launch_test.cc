// shoal launch and shoal stop, over a real sshd on loopback.

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/program.h"
#include "tests/cli/ssh_server.h"
#include "tests/testing/free_port.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "token-of-the-launch-test";

class LaunchTest : public ::testing::Test {
 protected:
  LaunchTest() : port_(testing::FreePort()) {
    std::ofstream(folder_.File("token")) << kToken << "\n";
  }
  ~LaunchTest() override {
    // Whatever happened: no worker outlives its test.
    if (std::filesystem::exists(file_)) RunProgram({"stop", file_}, Own());
  }

  void StartServer(const std::string& path = "") {
    std::map<std::string, std::string> environment = Folders();
    if (!path.empty()) environment["PATH"] = path;
    auto server = SshServer::Start(environment);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // Of the devices and of the coordinator.
  std::map<std::string, std::string> Folders() const {
    return {{"XDG_STATE_HOME", folder_.File("state")},
            {"XDG_CACHE_HOME", folder_.File("cache")}};
  }
  ProgramOptions Own() const { return {.environment = Folders()}; }

  void WriteFile(const std::string& devices, const std::string& config) {
    std::ofstream(file_) << "listen: \"127.0.0.1:" << port_
                         << "\" token_file: \"token\" ssh_config: \"" << config
                         << "\"\ndevices { name: \"desk\" ram_cap: \"64MiB\" "
                            "threads: 1 }\n"
                         << devices << "model { file: \""
                         << std::getenv("SHOAL_SOURCE_DIR")
                         << "/models/shoal-stories-3m-q8_0.gguf\" }\n";
  }
  // Runs this build's program, which is large: few tests copy it.
  std::string Device(const std::string& name, const std::string& more = "",
                     uint16_t port = 0) const {
    return Copied(name, absl::StrCat("program: \"", SHOAL_PROGRAM, "\" ", more),
                  port);
  }
  std::string Copied(const std::string& name, const std::string& more = "",
                     uint16_t port = 0) const {
    return absl::StrCat("devices { name: \"", name,
                        "\" address: \"127.0.0.1\" ssh_port: ",
                        port == 0 ? server_->port() : port,
                        " ram_cap: \"64MiB\" threads: 1 ", more, " }\n");
  }
  // Of a device's worker; 0: none.
  pid_t PidOf(const std::string& name) const {
    std::ifstream file(
        absl::StrCat(folder_.path(), "/state/shoal/fleet/", name, "/pid"));
    pid_t pid = 0;
    file >> pid;
    return pid;
  }
  // Of a device of the fleet that init made.
  std::string StateOf(const std::string& name) const {
    return absl::StrCat(folder_.path(), "/state/shoal/home/", name);
  }
  // A launch that fails; what it says.
  std::string Failure() {
    const ProgramResult result = RunProgram({"launch", file_}, Own());
    EXPECT_EQ(result.exit_code, 1);
    return result.err;
  }
  // A program of this name that comes before the system's.
  std::string PathWith(const std::string& name, const std::string& script) {
    const std::string folder = folder_.File("bin");
    std::filesystem::create_directory(folder);
    const std::string path = absl::StrCat(folder, "/", name);
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::all);
    return absl::StrCat(folder, ":/usr/local/bin:/usr/bin:/bin");
  }

  const testing::TemporaryFolder folder_;
  const std::string file_ = folder_.File("fleet.textproto");
  const uint16_t port_;
  std::unique_ptr<SshServer> server_;
};

std::string ContentOf(const std::filesystem::path& path) {
  std::ostringstream content;
  // Of a process that ends meanwhile: as far as it was there.
  content << std::ifstream(path).rdbuf();
  return content.str();
}

// A process that has ended and that nobody waited for does not run.
bool IsRunning(pid_t pid) {
  const std::string line = ContentOf(absl::StrCat("/proc/", pid, "/stat"));
  return !line.empty() && !absl::StrContains(line, ") Z ");
}

// Of any process of this machine, as ps shows them.
bool AnyProcessShows(const std::string& text) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto& path = entry.path();
    if (absl::StrContains(ContentOf(path / "cmdline"), text)) return true;
  }
  return false;
}

// Looks all the time whether a process shows `text`.
class ProcessWatch {
 public:
  explicit ProcessWatch(const std::string& text)
      : thread_([this, text] {
          while (!ends_ && !saw_) {
            saw_ = AnyProcessShows(text);
            std::this_thread::yield();
          }
        }) {}
  ~ProcessWatch() {
    ends_ = true;
    thread_.join();
  }
  bool SawIt() const { return saw_; }

 private:
  std::atomic<bool> ends_ = false;
  std::atomic<bool> saw_ = false;
  std::thread thread_;
};

TEST_F(LaunchTest, StartsThreeWorkersThatServeAndStopsExactlyThem) {
  StartServer();
  WriteFile(Copied("copied") + Device("given") + Device("third") +
                "devices { name: \"here\" local: true ram_cap: \"64MiB\" "
                "threads: 1 }\n",
            server_->config());
  const ProgramResult launched = RunProgram({"launch", file_}, Own());
  ASSERT_EQ(launched.exit_code, 0) << launched.err;
  for (const std::string name : {"copied", "given", "third", "here"}) {
    EXPECT_THAT(launched.err, HasSubstr(name + ": started (pid "));
    EXPECT_THAT(launched.err, HasSubstr("waits for the coordinator"));
    ASSERT_GT(PidOf(name), 0);
    EXPECT_TRUE(IsRunning(PidOf(name)));
  }
  EXPECT_FALSE(AnyProcessShows(kToken));
  const pid_t copied = PidOf("copied");
  const std::string worker_program =
      std::filesystem::read_symlink(absl::StrCat("/proc/", copied, "/exe"));
  EXPECT_THAT(worker_program,
              HasSubstr(folder_.File("cache/shoal/bin/shoal-")));

  const ProgramResult run = RunProgram({"run", "--cluster", file_, "--raw",
                                        "-p", "Once upon", "--max-tokens", "4"},
                                       Own());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  for (const std::string name : {"copied", "given", "third", "here"}) {
    EXPECT_THAT(run.err, HasSubstr(name + " joined ("));
  }

  const ProgramResult again = RunProgram({"launch", file_}, Own());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err,
              HasSubstr(absl::StrCat("copied: runs already (pid ", copied)));

  const ProgramResult stopped = RunProgram({"stop", file_}, Own());
  EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
  EXPECT_THAT(stopped.err,
              HasSubstr(absl::StrCat("copied: stopped (pid ", copied, ")")));
  EXPECT_FALSE(IsRunning(copied));
  EXPECT_FALSE(
      std::filesystem::exists(folder_.File("state/shoal/fleet/copied/token")));
  const ProgramResult once_more = RunProgram({"stop", file_}, Own());
  EXPECT_EQ(once_more.exit_code, 0) << once_more.err;
  EXPECT_THAT(once_more.err, HasSubstr("third: was not running"));
}

// The secrets that shoal init makes reach the devices, and nobody who looks.
TEST_F(LaunchTest, AFleetWithCertificatesIsLaunchedWithoutShowingItsToken) {
  StartServer();
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  const ProgramResult made =
      RunProgram({"init", "home", "-m",
                  absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                               "/models/shoal-stories-3m-q8_0.gguf"),
                  "--listen", absl::StrCat("127.0.0.1:", port_)},
                 Own());
  std::filesystem::current_path(before);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const size_t hash = made.out.find('#');
  ASSERT_NE(hash, std::string::npos);
  const std::string token(
      absl::StripTrailingAsciiWhitespace(made.out.substr(hash + 1)));
  // The part that is secret; "shoal1-" alone may stand anywhere.
  const std::string secret = token.substr(token.find('-') + 1);
  ASSERT_GT(secret.size(), 20u);
  std::filesystem::rename(folder_.File("home.textproto"), file_);
  std::ofstream(file_, std::ios::app)
      << "ssh_config: \"" << server_->config() << "\"\n"
      << "devices { name: \"desk\" ram_cap: \"64MiB\" threads: 1 }\n"
      << Device("one") << Device("two")
      << "devices { name: \"here\" local: true ram_cap: \"64MiB\" threads: 1 "
         "}\n";

  ProcessWatch watch(secret);
  const ProgramResult launched = RunProgram({"launch", file_}, Own());
  ASSERT_EQ(launched.exit_code, 0) << launched.err;
  EXPECT_THAT(launched.err, HasSubstr("one: started (pid "));
  EXPECT_THAT(launched.err,
              HasSubstr("waits for the coordinator at 127.0.0.1"));
  const ProgramResult run = RunProgram({"run", "--cluster", file_, "--raw",
                                        "-p", "Once upon", "--max-tokens", "4"},
                                       Own());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_FALSE(watch.SawIt());
  for (const std::string name : {"one", "two", "here"}) {
    EXPECT_THAT(run.err, HasSubstr(name + " joined ("));
    EXPECT_THAT(ContentOf(StateOf(name) + "/token"), HasSubstr(secret));
    EXPECT_EQ(std::filesystem::status(StateOf(name) + "/token").permissions(),
              std::filesystem::perms::owner_read |
                  std::filesystem::perms::owner_write);
    EXPECT_THAT(ContentOf(StateOf(name) + "/log"), Not(HasSubstr(secret)));
  }
  for (const std::string& said :
       {launched.out, launched.err, run.out, run.err}) {
    EXPECT_THAT(said, Not(HasSubstr(secret)));
  }
  // From now on by its certificate.
  std::filesystem::remove(StateOf("one") + "/token");
  const ProgramResult again =
      RunProgram({"run", "--cluster", file_, "--raw", "-p", "Once upon",
                  "--max-tokens", "4"},
                 Own());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out, run.out);
  EXPECT_EQ(RunProgram({"stop", file_}, Own()).exit_code, 0);
}

TEST_F(LaunchTest, AWorkerJoinsTheCoordinatorThatIsThereAlready) {
  StartServer();
  WriteFile(Device("one"), server_->config());
  Program coordinator(
      {"run", "--cluster", file_, "--raw", "-p", "Once", "--max-tokens", "2"},
      Own());
  ASSERT_TRUE(coordinator.WaitForError("waiting for one"));
  const ProgramResult launched = RunProgram({"launch", file_}, Own());
  EXPECT_EQ(launched.exit_code, 0) << launched.err;
  EXPECT_EQ(coordinator.Wait().exit_code, 0);
}

TEST_F(LaunchTest, ADeadAddressIsNamedAndTheOthersStart) {
  StartServer();
  WriteFile(Device("dead", "", testing::FreePort()) + Device("alive"),
            server_->config());
  const std::string said = Failure();
  EXPECT_THAT(said, HasSubstr("dead: 127.0.0.1 port "));
  EXPECT_THAT(said, HasSubstr("cannot be reached by ssh ("));
  EXPECT_THAT(said, HasSubstr("Connection refused"));
  EXPECT_THAT(said, HasSubstr("alive: started (pid "));
  EXPECT_THAT(said, HasSubstr("1 of 2 workers were not started: dead"));
}

TEST_F(LaunchTest, AnOptionalDeviceMayBeAway) {
  StartServer();
  WriteFile(
      Device("dead", "optional: true", testing::FreePort()) + Device("alive"),
      server_->config());
  const ProgramResult launched = RunProgram({"launch", file_}, Own());
  EXPECT_EQ(launched.exit_code, 0) << launched.err;
  EXPECT_THAT(launched.err, HasSubstr("dead: 127.0.0.1 port "));
}

TEST_F(LaunchTest, AWrongKeyAndANewHostAreToldApart) {
  StartServer();
  WriteFile(Device("one"), server_->stranger_config());
  EXPECT_THAT(Failure(), HasSubstr("does not let this user in"));
  WriteFile(Device("one"), server_->new_host_config());
  EXPECT_THAT(Failure(), HasSubstr("does not know the host key"));
}

TEST_F(LaunchTest, AnotherProcessorIsRefusedBeforeAnythingIsCopied) {
  StartServer(PathWith("uname", "echo mips64"));
  WriteFile(Copied("one"), server_->config());
  EXPECT_THAT(Failure(), HasSubstr("has another processor (mips64; "));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("cache/shoal/bin")));
}

TEST_F(LaunchTest, AMissingLibraryIsNamed) {
  StartServer();
  const std::string path = PathWith(
      "broken",
      "echo 'shoal: error while loading shared libraries: libzmq.so.5' >&2\n"
      "exit 127");
  WriteFile(Copied("one", absl::StrCat("program: \"",
                                       folder_.File("bin/broken"), "\"")),
            server_->config());
  EXPECT_THAT(Failure(), HasSubstr("shared libraries: libzmq.so.5; install"));
}

TEST_F(LaunchTest, AFullDiskIsNamed) {
  StartServer(
      PathWith("cat",
               "case \"$#\" in 0) echo 'cat: No space left on device' >&2; "
               "exit 1 ;; *) exec /bin/cat \"$@\" ;; esac"));
  WriteFile(Copied("one"), server_->config());
  EXPECT_THAT(Failure(), HasSubstr("no space left on 127.0.0.1"));
}

TEST_F(LaunchTest, AWorkerThatEndsAtOnceIsReportedWithItsLastWords) {
  StartServer();
  PathWith("broken",
           absl::StrCat("[ \"$1\" != --version ] || exec ", SHOAL_PROGRAM,
                        " --version\n"
                        "echo 'shoal: no such disk' >&2\nexit 1"));
  WriteFile(Copied("one", absl::StrCat("program: \"",
                                       folder_.File("bin/broken"), "\"")),
            server_->config());
  EXPECT_THAT(Failure(), HasSubstr("did not stay: shoal: no such disk"));
}

TEST_F(LaunchTest, AFileWithoutAPortOrATokenCannotBeLaunched) {
  std::ofstream(file_) << "listen: \"127.0.0.1:0\" devices { name: \"a\" } "
                          "devices { name: \"b\" local: true }";
  EXPECT_THAT(Failure(), HasSubstr("listen: '127.0.0.1:0'"));
  std::ofstream(file_) << "listen: \"127.0.0.1:" << port_
                       << "\" devices { name: \"a\" } "
                          "devices { name: \"b\" local: true }";
  EXPECT_THAT(Failure(), HasSubstr("secrets: it is missing"));
  std::ofstream(file_) << "listen: \"127.0.0.1:" << port_ << "\"";
  EXPECT_THAT(Failure(), HasSubstr("none of them is started by launch"));
}

}  // namespace
}  // namespace shoal::cli

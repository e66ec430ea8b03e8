// Fleets with certificates, as real processes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "security/fleet_secrets.h"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramResult;
using testing::ReadWaiting;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SecureFleetTest : public testing::FleetProcessesTest {
 protected:
  // A coordinator that others reach; its secrets are made if `folder` is not
  // there.
  std::unique_ptr<Program> Coordinator(const std::string& folder, int expect,
                                       const std::vector<std::string>& more) {
    auto words =
        StoryRun({"--max-tokens", "12", "--temperature", "0", "--payload",
                  "f64", "--listen", "0.0.0.0:0", "--expect",
                  absl::StrCat(expect), "--secrets", cache_.File(folder)});
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<Program>(words, Environment());
  }
  std::unique_ptr<Program> Worker(const std::string& join,
                                  const std::string& name,
                                  const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"worker", "--join", join, "--name", name};
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<Program>(words, Environment());
  }
  std::string TokenOf(const std::string& folder) const {
    std::ifstream file(security::FilesIn(cache_.File(folder)).token);
    std::string token;
    std::getline(file, token);
    return token;
  }
  std::string Story() const {
    return Run(StoryRun({"--max-tokens", "12", "--temperature", "0",
                         "--payload", "f64", "--local", "3"}))
        .out;
  }
  static std::string Ended(Program& program, int exit_code) {
    const ProgramResult result = program.Wait();
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    return result.err;
  }
};

TEST_F(SecureFleetTest, TellsTheStoryThatLocalDevicesTell) {
  const std::string story = Story();
  for (const char* transport : {"tcp", "zmq"}) {
    const auto coordinator = Coordinator("home", 2, {"--transport", transport});
    const std::string port = ReadWaiting(*coordinator).port;
    const std::string token = TokenOf("home");
    const auto a = Worker(absl::StrCat("127.0.0.1:", port, "#", token), "a");
    const auto b = Worker(absl::StrCat("127.0.0.2:", port, "#", token), "b");
    const ProgramResult result = coordinator->Wait();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, story);
    EXPECT_THAT(result.err, Not(HasSubstr(token)));
  }
}

TEST_F(SecureFleetTest, ADeviceThatHasJoinedNeedsItsTokenNoMore) {
  auto coordinator = Coordinator("home", 1, {});
  std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  auto worker = Worker(absl::StrCat(address, "#", TokenOf("home")), "kitchen");
  EXPECT_EQ(coordinator->Wait().exit_code, 0);
  worker.reset();
  coordinator = Coordinator("home", 1, {});
  address = absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  const auto stranger = Worker(address, "stranger", {"--bind", "127.0.0.1"});
  worker = Worker(address, "kitchen");
  const ProgramResult result = coordinator->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(SecureFleetTest, NoListOfProcessesShowsTheToken) {
  const auto coordinator = Coordinator("home", 2, {});
  const std::string port = ReadWaiting(*coordinator).port;
  const std::string token = TokenOf("home");
  const auto worker =
      Worker(absl::StrCat("127.0.0.1:", port, "#", token), "kitchen");
  ASSERT_TRUE(worker->WaitForError("joined")) << worker->so_far().err;
  std::ifstream file(absl::StrCat("/proc/", worker->pid(), "/cmdline"));
  const std::string words{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(words, AllOf(HasSubstr(absl::StrCat(port, "#***")),
                           Not(HasSubstr(token.substr(10, 20)))));
  EXPECT_THAT(worker->so_far().err, Not(HasSubstr(token.substr(10, 20))));
}

TEST_F(SecureFleetTest, ATokenOfAnotherFleetIsToldSo) {
  const auto coordinator = Coordinator("home", 1, {});
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  const auto other = security::MakeFleetSecrets("other");
  ASSERT_TRUE(other.ok());
  const auto worker =
      Worker(absl::StrCat(address, "#", other->token.ToText()), "kitchen");
  EXPECT_THAT(
      Ended(*worker, 1),
      AllOf(HasSubstr(absl::StrCat("shoal: the coordinator at ", address,
                                   " is not the one that the token "
                                   "is for")),
            Not(HasSubstr(other->token.ToText().substr(10, 20)))));
}

TEST_F(SecureFleetTest, AWrongTokenIsToldOnBothSides) {
  const auto coordinator = Coordinator("home", 1, {"--join-timeout", "3s"});
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  const auto secrets = security::LoadFleetSecrets(cache_.File("home"));
  ASSERT_TRUE(secrets.ok()) << secrets.status();
  const auto wrong = security::JoinToken::Make(
      *security::FingerprintOf(secrets->authority.certificate_pem));
  const auto worker =
      Worker(absl::StrCat(address, "#", wrong.ToText()), "kitchen");
  EXPECT_THAT(Ended(*worker, 1), HasSubstr("gave kitchen no certificate: the "
                                           "join token is of this fleet, but "
                                           "not its token now"));
  EXPECT_THAT(Ended(*coordinator, 1),
              AllOf(HasSubstr("0 of 1 workers joined"),
                    HasSubstr("refused kitchen"), HasSubstr("join token")));
}

TEST_F(SecureFleetTest, ACutTokenIsRefusedBeforeAnythingIsDialled) {
  const std::string token = security::MakeFleetSecrets("home")->token.ToText();
  const auto worker = Worker("127.0.0.1:1#" + token.substr(0, 30), "kitchen");
  EXPECT_THAT(Ended(*worker, 2),
              AllOf(HasSubstr("cut off"), Not(HasSubstr(token.substr(8, 20)))));
}

TEST_F(SecureFleetTest, AWorkerWithoutTlsIsToldWhatToDo) {
  const auto coordinator = Coordinator("home", 1, {});
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(*coordinator).port);
  const auto worker = Worker(address, "kitchen");
  EXPECT_THAT(Ended(*worker, 1),
              AllOf(HasSubstr("speaks TLS"), HasSubstr("#TOKEN")));
}

TEST_F(SecureFleetTest, ACoordinatorWithoutTlsIsToldToTheWorker) {
  Program coordinator(StoryRun({"--listen", "127.0.0.1:0", "--expect", "1"}),
                      Environment());
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(coordinator).port);
  const std::string token = security::MakeFleetSecrets("home")->token.ToText();
  const auto worker = Worker(absl::StrCat(address, "#", token), "kitchen");
  EXPECT_TRUE(worker->WaitForError("speaks no TLS")) << worker->so_far().err;
}

TEST_F(SecureFleetTest, WithoutAFolderTheUsersOwnIsMadeOnce) {
  const auto run = [this] {
    cli::ProgramOptions environment = Environment();
    environment.environment["XDG_CONFIG_HOME"] = cache_.File("config");
    Program coordinator(StoryRun({"--listen", "0.0.0.0:0", "--expect", "1"}),
                        environment);
    ReadWaiting(coordinator);
    EXPECT_THAT(coordinator.so_far().err,
                HasSubstr(cache_.File("config/shoal/fleet/token")));
    return TokenOf("config/shoal/fleet");
  };
  const std::string token = run();
  EXPECT_FALSE(token.empty());
  EXPECT_EQ(run(), token);
}

TEST_F(SecureFleetTest, SecretsThatOthersMayReadAreRefused) {
  ASSERT_TRUE(security::CreateFleetSecrets(cache_.File("home"), "home").ok());
  const std::string key = security::FilesIn(cache_.File("home")).authority_key;
  ASSERT_EQ(chmod(key.c_str(), 0644), 0);
  EXPECT_THAT(Ended(*Coordinator("home", 1, {}), 1),
              HasSubstr("run chmod 600 " + key));
}

}  // namespace
}  // namespace shoal

// What a person can get wrong ends with one line that says what and what to do,
// and with the exit code of its kind.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/fleet.grpc.pb.h"
#include "proto/fleet_protocol.h"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramOptions;
using cli::ProgramResult;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using testing::ReadWaiting;

// A port of this machine that is taken, and nobody answers at.
class TakenPort {
 public:
  TakenPort() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_, 1), 0);
    EXPECT_EQ(
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~TakenPort() { close(socket_); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  const int socket_;
  uint16_t port_ = 0;
};

// A coordinator of a later version, that welcomes everybody.
class LaterCoordinator final : public proto::Fleet::Service {
 public:
  LaterCoordinator() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~LaterCoordinator() override { server_->Shutdown(); }

  grpc::Status Join(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<proto::CoordinatorMessage, proto::WorkerMessage>*
          stream) override {
    proto::WorkerMessage hello;
    stream->Read(&hello);
    proto::CoordinatorMessage welcome;
    welcome.mutable_welcome()->set_protocol_version(
        proto::kFleetProtocolVersion + 1);
    stream->Write(welcome);
    return grpc::Status::OK;
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Shows `hello` to a coordinator as a worker does, and returns its refusal.
std::string RefusalOf(const std::string& address,
                      const proto::WorkerMessage& hello) {
  const auto channel =
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto stub = proto::Fleet::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->Join(&context);
  stream->Write(hello);
  proto::CoordinatorMessage answer;
  EXPECT_TRUE(stream->Read(&answer));
  context.TryCancel();
  stream->Finish();
  return answer.refusal().status().message();
}

class FaultLinesTest : public testing::FleetProcessesTest {
 protected:
  // The one line without its end, and nothing else anywhere.
  std::string OneLine(const ProgramResult& result, int exit_code) {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, MatchesRegex("shoal: [^\n]+\n"));
    return result.err;
  }
  // Of a program that had things to tell before.
  std::string LastLine(const ProgramResult& result, int exit_code) {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    size_t of_ours = 0;
    std::string last;
    for (const absl::string_view line :
         absl::StrSplit(absl::StripSuffix(result.err, "\n"), '\n')) {
      of_ours += absl::StartsWith(line, "shoal: ") ? 1 : 0;
      last = std::string(line);
    }
    EXPECT_EQ(of_ours, 1u) << result.err;
    EXPECT_TRUE(absl::StartsWith(last, "shoal: ")) << result.err;
    return last;
  }
};

TEST_F(FaultLinesTest, AnUnknownFlagIsNamedWithTheOneThatWasMeant) {
  EXPECT_THAT(OneLine(Run(StoryRun({"--lcoal", "2"})), 2),
              AllOf(HasSubstr("--lcoal"), HasSubstr("did you mean --local"),
                    HasSubstr("shoal help run")));
}

TEST_F(FaultLinesTest, AMissingModelIsNamed) {
  EXPECT_THAT(OneLine(Run({"run", "-m", "/nonexistent.gguf", "-p", "x"}), 1),
              AllOf(HasSubstr("/nonexistent.gguf"), HasSubstr("No such file")));
}

TEST_F(FaultLinesTest, AModelTooBigForTheBudgetComesWithWaysOut) {
  EXPECT_THAT(OneLine(Run(StoryRun({"--memory", "2MiB"})), 1),
              AllOf(HasSubstr("budget of 2 MiB"), HasSubstr("its floor is"),
                    HasSubstr("give it --memory")));
  EXPECT_THAT(OneLine(Run(StoryRun({"--local", "2", "--memory", "22MiB",
                                    "--weights", "resident", "--ctx", "512"})),
                      1),
              AllOf(HasSubstr("local-0"), HasSubstr("use --weights auto")));
}

TEST_F(FaultLinesTest, APortInUseIsNamed) {
  const TakenPort taken;
  EXPECT_THAT(
      OneLine(Run(StoryRun({"--listen", taken.address(), "--expect", "1"})), 1),
      AllOf(HasSubstr(taken.address()), HasSubstr("in use"),
            HasSubstr("choose another")));
}

TEST_F(FaultLinesTest, MoreStagesThanLayersAreRefusedWithTheMost) {
  EXPECT_THAT(
      OneLine(Run(StoryRun({"--local", "5", "--parallel", "tp=1,pp=5"})), 1),
      AllOf(HasSubstr("pp=5"), HasSubstr("only 4 layers"),
            HasSubstr("use at most pp=4")));
}

TEST_F(FaultLinesTest, AWrongTokenIsToldOnBothSides) {
  Program coordinator(StoryRun({"--listen", "127.0.0.1:0", "--expect", "1",
                                "--join-timeout", "2s"}),
                      Environment());
  const testing::Waiting waiting = ReadWaiting(coordinator);
  ProgramOptions wrong = Environment();
  wrong.environment["SHOAL_TOKEN"] = "not" + waiting.token;
  const ProgramResult worker = cli::RunProgram(
      {"worker", "--join", "127.0.0.1:" + waiting.port, "--name", "pi"}, wrong);
  EXPECT_THAT(OneLine(worker, 1),
              AllOf(HasSubstr("refused pi"), HasSubstr("--token-file")));
  EXPECT_THAT(LastLine(coordinator.Wait(), 1),
              AllOf(HasSubstr("0 of 1 workers joined"), HasSubstr("refused pi"),
                    HasSubstr("--token-file")));
}

TEST_F(FaultLinesTest, AWorkerOfAnotherVersionIsToldByTheCoordinator) {
  Program coordinator(StoryRun({"--listen", "127.0.0.1:0", "--expect", "1",
                                "--join-timeout", "2s"}),
                      Environment());
  const testing::Waiting waiting = ReadWaiting(coordinator);
  proto::WorkerMessage hello;
  hello.mutable_hello()->set_protocol_version(proto::kFleetProtocolVersion + 1);
  hello.mutable_hello()->set_token(waiting.token);
  const std::string what =
      absl::StrCat("protocol version ", proto::kFleetProtocolVersion + 1);
  EXPECT_THAT(RefusalOf("127.0.0.1:" + waiting.port, hello),
              AllOf(HasSubstr(what), HasSubstr("install the same shoal")));
  EXPECT_THAT(LastLine(coordinator.Wait(), 1),
              AllOf(HasSubstr(what), HasSubstr("install the same shoal")));
}

TEST_F(FaultLinesTest, AWorkerThatMeetsAnotherVersionSaysSo) {
  const LaterCoordinator later;
  EXPECT_THAT(OneLine(Run({"worker", "--join", later.address()}), 1),
              AllOf(HasSubstr(absl::StrCat("protocol version ",
                                           proto::kFleetProtocolVersion + 1)),
                    HasSubstr("install the same shoal")));
}

TEST_F(FaultLinesTest, AnInterruptIsOneLineWhereverItComes) {
  Program waiting(StoryRun({"--listen", "127.0.0.1:0", "--expect", "1"}),
                  Environment());
  ReadWaiting(waiting);
  waiting.Signal(SIGINT);
  EXPECT_EQ(LastLine(waiting.Wait(), 130), "shoal: interrupted");
  Program telling(StoryRun({"--local", "2", "--max-tokens", "400",
                            "--ignore-eos", "--ctx", "512"}),
                  Environment());
  ASSERT_TRUE(telling.WaitForOutput("the"));
  telling.Signal(SIGINT);
  EXPECT_EQ(LastLine(telling.Wait(), 130), "shoal: interrupted");
}

}  // namespace
}  // namespace shoal

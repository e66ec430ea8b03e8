// What somebody learns who records all packets of a fleet.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "proto/inference.grpc.pb.h"
#include "security/fleet_secrets.h"
#include "security/rpc_credentials.h"
#include "tests/e2e/fleet_processes.h"
#include "tests/testing/loopback_capture.h"

namespace shoal {
namespace {

using cli::Program;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::LoopbackCapture;
using testing::ReadWaiting;

constexpr char kPrompt[] = "Once upon a time the walrus of Zanzibar";
// The beginning of a pass descriptor, the first frame of each pass.
constexpr absl::string_view kOpenFrame("SHAL\x01\x00\x02\x00", 8);

std::string FileContent(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs of the model's weights, 32 bytes each, from all of its second half.
std::vector<std::string> WeightRuns() {
  const std::string model = FileContent(testing::StoryModelPath());
  std::vector<std::string> runs;
  for (size_t i = 0; i < 400; ++i) {
    runs.push_back(
        model.substr(model.size() / 2 + i * (model.size() / 2 / 400), 32));
    // A run of one value says nothing.
    if (std::set<char>(runs.back().begin(), runs.back().end()).size() < 16) {
      runs.pop_back();
    }
  }
  return runs;
}

// One network for all tests of this process.
bool HasOwnNetwork() {
  static const bool has = LoopbackCapture::EnterOwnNetwork();
  return has;
}

class CaptureTest : public testing::FleetProcessesTest {
 protected:
  void SetUp() override {
    if (!HasOwnNetwork()) {
      GTEST_SKIP() << "this system lets no process have a network of its own "
                      "(unshare), so nothing can be recorded";
    }
    const auto made =
        security::CreateFleetSecrets(cache_.File("secrets"), "home");
    ASSERT_TRUE(made.ok()) << made.status();
    secrets_ = *made;
    std::ofstream(cache_.File("old-token")) << kOldToken << "\n";
  }

  // The flags of coordinator and worker of a fleet with certificates.
  std::vector<std::string> Coordinator(
      const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"--secrets", cache_.File("secrets")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // Starts `shoal serve` and a worker, has a client ask something, and tells
  // what of all that the recording has in clear. `token` is the worker's;
  // `trust` the client's, null: without TLS.
  std::vector<std::string> SeenInClear(
      const std::vector<std::string>& coordinator_flags,
      const std::string& token, const security::CoordinatorTrust* trust) {
    LoopbackCapture capture;
    std::vector<std::string> words = {
        "serve",    "-m",          testing::StoryModelPath(),
        "--listen", "127.0.0.1:0", "--expect",
        "1",        "--http",      "127.0.0.1:0"};
    words.insert(words.end(), coordinator_flags.begin(),
                 coordinator_flags.end());
    Program service(words, Environment());
    const std::string address =
        absl::StrCat("127.0.0.1:", ReadWaiting(service).port);
    cli::ProgramOptions environment = Environment();
    environment.environment["SHOAL_TOKEN"] = token;
    Program worker({"worker", "--join", address, "--name", "kitchen"},
                   environment);
    EXPECT_TRUE(service.WaitForError("ready: ")) << service.so_far().err;
    Ask(address, trust);
    service.Signal(SIGINT);
    service.Wait();
    worker.Signal(SIGINT);
    worker.Wait();
    return Findings(capture.Stop(), token);
  }

  static void Ask(const std::string& address,
                  const security::CoordinatorTrust* trust) {
    grpc::ChannelArguments arguments;
    const auto credentials = security::MakeChannelCredentials(trust, arguments);
    const auto stub = proto::Inference::NewStub(
        grpc::CreateCustomChannel(address, credentials, arguments));
    grpc::ClientContext context;
    if (trust != nullptr) {
      context.AddMetadata("authorization", ClientProof());
    }
    proto::GenerateRequest request;
    request.set_text(kPrompt);
    request.set_max_tokens(8);
    const auto reader = stub->Generate(&context, request);
    proto::GenerateEvent event;
    while (reader->Read(&event)) {
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  static std::vector<std::string> Findings(const std::string& packets,
                                           const std::string& token) {
    EXPECT_GT(packets.size(), 1u << 20) << "the units are more than this";
    std::vector<std::string> seen;
    const auto has = [&packets](absl::string_view text) {
      return packets.find(text.data(), 0, text.size()) != std::string::npos;
    };
    if (has(kPrompt)) seen.push_back("prompt");
    if (has(token)) seen.push_back("token");
    const auto& secret = secrets_.token.secret();
    if (has(absl::string_view(reinterpret_cast<const char*>(secret.data()),
                              secret.size()))) {
      seen.push_back("secret");
    }
    for (const std::string& run : WeightRuns()) {
      if (!has(run)) continue;
      seen.push_back("weights");
      break;
    }
    if (has(kOpenFrame)) seen.push_back("frames");
    return seen;
  }

  static std::string ClientProof() {
    return absl::StrCat("Bearer ", secrets_.token.ToText());
  }
  security::CoordinatorTrust ClientTrust() const {
    return {secrets_.authority.certificate_pem, {}};
  }

  static constexpr char kOldToken[] = "a-token-that-crosses-in-clear";
  static security::FleetSecrets secrets_;
};

security::FleetSecrets CaptureTest::secrets_;

TEST_F(CaptureTest, AFleetWithCertificatesShowsNothing) {
  const auto trust = ClientTrust();
  EXPECT_THAT(SeenInClear(Coordinator({}), secrets_.token.ToText(), &trust),
              IsEmpty());
}

TEST_F(CaptureTest, OverZeroMqItShowsNothingEither) {
  const auto trust = ClientTrust();
  EXPECT_THAT(SeenInClear(Coordinator({"--transport", "zmq"}),
                          secrets_.token.ToText(), &trust),
              IsEmpty());
}

TEST_F(CaptureTest, OnATrustedLanOnlyDataLinksAreInClear) {
  const auto trust = ClientTrust();
  EXPECT_THAT(SeenInClear(Coordinator({"--trusted-lan"}),
                          secrets_.token.ToText(), &trust),
              ElementsAre("frames"));
}

// So that the other tests can fail.
TEST_F(CaptureTest, WithoutCertificatesEverythingIsSeen) {
  EXPECT_THAT(SeenInClear({"--token-file", cache_.File("old-token")}, kOldToken,
                          nullptr),
              ElementsAre("prompt", "token", "weights", "frames"));
}

}  // namespace
}  // namespace shoal

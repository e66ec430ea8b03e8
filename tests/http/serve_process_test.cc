// `shoal serve` as a process of its own, with a worker of its own.

#include <httplib.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/fleet_processes.h"
#include "tests/testing/trace_rules.h"

namespace shoal::http {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kStory[] =
    R"({"prompt":"Once upon a time, a small fish","temperature":0,"max_tokens":40})";

class ServeProcessTest : public testing::FleetProcessesTest {
 protected:
  void Serve(const std::vector<std::string>& more) {
    std::vector<std::string> words = {"serve", "-m", testing::StoryModelPath(),
                                      "--http", "127.0.0.1:0"};
    words.insert(words.end(), more.begin(), more.end());
    service_ = std::make_unique<cli::Program>(words, Environment());
    ASSERT_TRUE(service_->WaitForError("ready: ")) << service_->so_far().err;
    const std::string& said = service_->so_far().err;
    const std::string mark = "http://127.0.0.1:";
    const size_t begin = said.find(mark) + mark.size();
    ASSERT_TRUE(absl::SimpleAtoi(
        said.substr(begin, said.find('/', begin) - begin), &port_));
    client_ = NewClient();
  }

  std::unique_ptr<httplib::Client> NewClient() const {
    auto client = std::make_unique<httplib::Client>("127.0.0.1", port_);
    client->set_read_timeout(60);
    return client;
  }

  static std::string TextOf(const httplib::Result& result) {
    if (!result || result->status != 200) {
      ADD_FAILURE() << (result ? result->body
                               : httplib::to_string(result.error()));
      return "";
    }
    return json::parse(result->body)["choices"][0]["text"];
  }
  std::string Story() {
    return TextOf(client_->Post("/v1/completions", kStory, "application/json"));
  }

  std::unique_ptr<cli::Program> service_;
  int port_ = 0;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(ServeProcessTest, SaysWhatRunSaysAndEndsWhenToldTo) {
  const cli::ProgramResult run = Run(
      StoryRun({"--max-tokens", "40", "--temperature", "0", "--local", "2"}));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  ASSERT_NO_FATAL_FAILURE(Serve({"--local", "2"}));
  EXPECT_EQ(Story() + "\n", run.out);
  const auto workers = cli::ChildrenOf(service_->pid());
  EXPECT_EQ(workers.size(), 1u);
  service_->Signal(SIGTERM);
  const cli::ProgramResult end = service_->Wait();
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_TRUE(testing::AllGoneWithin(workers, absl::Seconds(5)));
}

TEST_F(ServeProcessTest, AnInterruptLetsTheAnswerFinish) {
  ASSERT_NO_FATAL_FAILURE(Serve({}));
  bool is_told = false;
  std::string body;
  const auto result = client_->Get("/healthz");
  ASSERT_TRUE(result);
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/completions";
  request.body =
      R"({"prompt":"Once","temperature":0,"max_tokens":60,"stream":true})";
  request.content_receiver = [&](const char* data, size_t size, uint64_t,
                                 uint64_t) {
    body.append(data, size);
    if (!is_told) service_->Signal(SIGINT);
    is_told = true;
    return true;
  };
  client_->send(request);
  EXPECT_THAT(body, HasSubstr("data: [DONE]"));
  EXPECT_EQ(service_->Wait().exit_code, 0);
}

TEST_F(ServeProcessTest, AWorkerThatIsKilledIsReplacedAndTheTextIsTheSame) {
  ASSERT_NO_FATAL_FAILURE(Serve({"--local", "2"}));
  const std::string before = Story();
  const auto workers = cli::ChildrenOf(service_->pid());
  ASSERT_EQ(workers.size(), 1u);
  kill(workers[0], SIGKILL);
  ASSERT_TRUE(
      service_->WaitForError("the model is not running any more: "
                             "local-1 (rank 1)"))
      << service_->so_far().err;
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  int status = 0;
  while (status != 200 && absl::Now() < deadline) {
    const auto ready = client_->Get("/readyz");
    ASSERT_TRUE(ready);
    status = ready->status;
  }
  EXPECT_EQ(Story(), before);
  EXPECT_NE(cli::ChildrenOf(service_->pid()), workers);
}

TEST_F(ServeProcessTest, ATraceHasTheRequestsBesideTheDevices) {
  const std::string path = cache_.File("trace.json");
  ASSERT_NO_FATAL_FAILURE(
      Serve({"--local", "2", "--slots", "1", "--trace", path}));
  std::thread other([&] {
    TextOf(NewClient()->Post("/v1/completions", kStory, "application/json"));
  });
  Story();
  other.join();
  service_->Signal(SIGTERM);
  ASSERT_EQ(service_->Wait().exit_code, 0) << service_->so_far().err;
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_THAT(testing::FaultsOfTrace(text.str()), ::testing::IsEmpty());
  const json trace = json::parse(text.str());
  std::map<std::string, std::vector<json>> events;
  for (const json& event : trace["traceEvents"]) {
    events[event["name"]].push_back(event);
  }
  ASSERT_EQ(events["answer"].size(), 2u);
  double queued = 0;
  for (size_t i = 0; i < 2; ++i) {
    const json& answer = events["answer"][i];
    EXPECT_EQ(answer["args"]["generated_tokens"], 40);
    EXPECT_EQ(answer["args"]["outcome"], "length");
    queued = std::max(queued, events["queued"][i]["dur"].get<double>());
    // Its 39 later tokens are passes of both devices, on the same clock.
    const double begin = answer["ts"];
    const double end = begin + answer["dur"].get<double>();
    std::map<int, int> passes;
    for (const json& pass : events["pass"]) {
      const double middle =
          pass["ts"].get<double>() + pass["dur"].get<double>() / 2;
      if (begin < middle && middle < end) ++passes[pass["pid"]];
    }
    for (const int device : {1, 2}) EXPECT_NEAR(passes[device], 39, 2);
    EXPECT_EQ(answer["pid"], 3);
  }
  // One of them waited for the other.
  EXPECT_GE(queued, 0.5 * events["answer"][0]["dur"].get<double>());
}

TEST_F(ServeProcessTest, GivesMemoryUpThoughNobodyAsksForAnything) {
  const std::string cap = cache_.File("cap");
  std::ofstream(cap) << "1GiB";
  ASSERT_NO_FATAL_FAILURE(Serve({"--memory-file", cap}));
  const std::string before = Story();
  std::ofstream(cap) << "1MiB";
  EXPECT_TRUE(service_->WaitForError("-> 0 B of")) << service_->so_far().err;
  EXPECT_EQ(Story(), before);
}

// What strangers may send to the port, while somebody is served.
TEST_F(ServeProcessTest, GarbageAndHalfOpenConnectionsHoldUpNobody) {
  ASSERT_NO_FATAL_FAILURE(Serve({"--slots", "2"}));
  const std::string alone = Story();
  std::vector<int> half_open;
  std::mt19937 random(1);
  for (int i = 0; i < 40; ++i) {
    const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(
        connect(file, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    std::string bytes = "POST /v1/completions HTTP/1.1\r\n";
    if (i % 4 == 1) bytes += "Content-Length: 18446744073709551615\r\n\r\n";
    if (i % 4 == 2) bytes += "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n";
    if (i % 4 == 3) {
      bytes.clear();
      for (int b = 0; b < 5000; ++b) bytes += static_cast<char>(random());
    }
    send(file, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    half_open.push_back(file);
  }
  EXPECT_EQ(Story(), alone);
  for (const int file : half_open) close(file);
  EXPECT_EQ(Story(), alone);
}

TEST_F(ServeProcessTest, BeyondLoopbackAKeyIsAskedFor) {
  const cli::ProgramResult refused =
      Run({"serve", "-m", testing::StoryModelPath(), "--http", "0.0.0.0:0"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--api-key-file"));
  // That the fleet is not encrypted says nothing of who may ask.
  const cli::ProgramResult other =
      Run({"serve", "-m", testing::StoryModelPath(), "--http", "0.0.0.0:0",
           "--listen", "127.0.0.1:0", "--expect", "1", "--insecure"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("--http-open"));
}

}  // namespace
}  // namespace shoal::http

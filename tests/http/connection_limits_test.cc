// Clients that are slow, or send more than there is room for, with limits that
// are small.

#include "http/connection_limits.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/server.h"
#include "tests/coordinator/fake_rank.h"
#include "tests/http/raw_client.h"

namespace shoal::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kShort = absl::Milliseconds(150);
constexpr absl::Duration kLong = absl::Seconds(60);
// No limit that is not set here ends anything within this.
constexpr absl::Duration kSoon = absl::Seconds(9);

class ConnectionLimitsTest : public ::testing::Test {
 protected:
  // All other limits are out of reach.
  ConnectionLimitsTest() {
    options_.model_name = "toy";
    options_.limits.head_time = kLong;
    options_.limits.body_time = kLong;
    options_.limits.read_silence = kLong;
    options_.limits.write_silence = kLong;
    parallel::DeviceProfile profile;
    profile.name = "desk";
    profile.budget_bytes = uint64_t{1} << 32;
    coordinator_ = coordinator::Coordinator::Create({}, rank_, profile);
    queue_ = std::make_unique<coordinator::RequestQueue>(
        coordinator::RequestQueue::Options{}, *coordinator_);
  }
  ~ConnectionLimitsTest() override { queue_->Stop(absl::Now()); }

  void Start() {
    auto server = HttpServer::Start(options_, *queue_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // Its device says some thousand tokens a second.
  void Load() {
    rank_.on_pass = [this](const parallel::Pass& pass, std::span<const float>,
                           std::span<float> logits) {
      base::MutexLock lock(mutex_);
      never_.WaitUntil(mutex_, absl::Now() + absl::Microseconds(200));
      std::fill(logits.begin(), logits.end(), 0.0f);
      if (pass.logits_count() > 0) logits[300] = 100;
      return absl::OkStatus();
    };
    coordinator::PlanOptions plan;
    plan.run.context_positions = 16000;
    plan.chunk_tokens = 64;
    const absl::Status loaded =
        coordinator_->LoadModel(std::string(std::getenv("SHOAL_SOURCE_DIR")) +
                                    "/models/shoal-stories-3m-q8_0.gguf",
                                plan, nullptr);
    ASSERT_TRUE(loaded.ok()) << loaded;
    queue_->SetReady(1);
  }

  void ExpectSoon() const { EXPECT_LT(absl::Now() - begin_, kSoon); }

  const absl::Time begin_ = absl::Now();
  HttpServer::Options options_;
  base::Mutex mutex_;
  base::CondVar never_;
  coordinator::FakeRank rank_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<coordinator::RequestQueue> queue_;
  std::unique_ptr<HttpServer> server_;
};

// Sends `begin`, then a byte every few milliseconds until it is refused.
std::string Trickle(RawClient& client, const std::string& begin) {
  client.Send(begin);
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (absl::Now() < give_up && !client.AwaitAnswer(20)) {
    if (!client.Send("a")) break;
  }
  return client.ReadAll();
}

TEST_F(ConnectionLimitsTest, AHeadHasItsTimeThoughItGoesOn) {
  options_.limits.head_time = kShort;
  Start();
  RawClient client(server_->port());
  const std::string said = Trickle(client, "GET / HTTP/1.1\r\nA: ");
  EXPECT_THAT(said, StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(said, HasSubstr("took too long to arrive"));
  ExpectSoon();
}

TEST_F(ConnectionLimitsTest, ABodyHasItsTimeThoughItGoesOn) {
  options_.limits.body_time = kShort;
  Start();
  RawClient client(server_->port());
  EXPECT_THAT(Trickle(client,
                      "POST /v1/completions HTTP/1.1\r\n"
                      "Content-Length: 100000\r\n\r\n"),
              StartsWith("HTTP/1.1 408"));
  ExpectSoon();
}

TEST_F(ConnectionLimitsTest, ARequestThatPausesIsGivenUp) {
  options_.limits.read_silence = kShort;
  Start();
  for (const char* begin : {"GET / HTTP/1.1\r\nA: ",
                            "POST /v1/completions HTTP/1.1\r\n"
                            "Content-Length: 9\r\n\r\n{"}) {
    RawClient client(server_->port());
    ASSERT_TRUE(client.Send(begin));
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 408")) << begin;
  }
  ExpectSoon();
}

TEST_F(ConnectionLimitsTest, AnAnswerThatIsNotReadEndsItsGeneration) {
  options_.limits.write_silence = kShort;
  Load();
  Start();
  // Large pieces, which fill the megabytes that the system keeps for it.
  const std::string body =
      R"({"prompt":"a","max_tokens":15000,"logprobs":20,"stream":true})";
  RawClient client(server_->port(), /*receive_buffer=*/4096);
  ASSERT_TRUE(client.Send(absl::StrCat(
      "POST /v1/completions HTTP/1.1\r\nContent-Length: ", body.size(),
      "\r\n\r\n", body)));
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  const auto ended = [&] {
    const auto counters = queue_->counters();
    return counters.cancelled_count + counters.finished_count > 0;
  };
  while (!ended() && absl::Now() < give_up) std::this_thread::yield();
  EXPECT_EQ(queue_->counters().cancelled_count, 1u);
}

TEST_F(ConnectionLimitsTest, RequestsShareTheRoomThatThereIs) {
  options_.limits.held_bytes_max = 100'000;
  Start();
  const std::string head =
      "POST /v1/completions HTTP/1.1\r\nContent-Length: 90000\r\n\r\n";
  const std::string body = "{\"prompt\":\"" + std::string(89'987, 'a') + "\"}";
  ASSERT_EQ(body.size(), 90'000u);
  const auto ask = [&] {
    RawClient client(server_->port());
    client.Send(head + body);
    return client.ReadAll();
  };
  {
    RawClient holder(server_->port());
    ASSERT_TRUE(holder.Send(head + body.substr(0, 60'000)));
    // Until what it sent has been taken.
    std::string said;
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    do {
      said = ask();
    } while (said.find("take all the memory") == std::string::npos &&
             absl::Now() < give_up);
    EXPECT_THAT(said, StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(said, HasSubstr("\r\nRetry-After: 5\r\n"));
    EXPECT_THAT(said, HasSubstr("the requests of others take all the memory"));
  }
  // And it is given back: understood, and there is no model.
  std::string said;
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  do {
    said = ask();
  } while (said.find("is being loaded") == std::string::npos &&
           absl::Now() < give_up);
  EXPECT_THAT(said, HasSubstr("the model is being loaded"));
}

TEST_F(ConnectionLimitsTest, WithoutAKeyNamesOfOthersAreRefused) {
  options_.host_names = {"desk.local"};
  Start();
  const auto ask = [&](const std::string& fields) {
    RawClient client(server_->port());
    client.Send("GET /v1/models HTTP/1.1\r\n" + fields + "\r\n");
    return client.ReadAll();
  };
  for (const char* fields :
       {"Host: evil.example:8080\r\n",
        "Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n",
        "Host: 127.0.0.1\r\nHost: evil.example\r\n",
        "Host: 127.0.0.1\r\nOrigin: null\r\n"}) {
    const std::string said = ask(fields);
    EXPECT_THAT(said, StartsWith("HTTP/1.1 403")) << fields;
    EXPECT_THAT(said, HasSubstr("--http-host")) << fields;
  }
  for (const char* fields :
       {"Host: 127.0.0.1:8080\r\n", "Host: localhost\r\n", "",
        "Host: desk.local:1\r\nOrigin: http://localhost:3000\r\n"}) {
    EXPECT_THAT(ask(fields), StartsWith("HTTP/1.1 200")) << fields;
  }
}

}  // namespace
}  // namespace shoal::http

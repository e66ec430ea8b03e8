#include "http/server.h"

#include <httplib.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/completion_request.h"
#include "nlohmann/json.hpp"
#include "tests/coordinator/fake_rank.h"
#include "tests/http/raw_client.h"

namespace shoal::http {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

// A service in this process whose one device says a token a millisecond.
class HttpServerTest : public ::testing::Test {
 protected:
  explicit HttpServerTest(const std::string& api_key = "") {
    parallel::DeviceProfile profile;
    profile.name = "desk";
    profile.budget_bytes = uint64_t{1} << 32;
    coordinator_ = coordinator::Coordinator::Create({}, rank_, profile);
    rank_.on_pass = [this](const parallel::Pass& pass, std::span<const float>,
                           std::span<float> logits) {
      {
        base::MutexLock lock(mutex_);
        changed_.WaitUntil(mutex_, absl::Now() + absl::Milliseconds(1));
        while (is_held_) changed_.Wait(mutex_);
      }
      std::fill(logits.begin(), logits.end(), 0.0f);
      if (pass.logits_count() > 0) {
        const auto& row = pass.rows[0];
        logits[300 + (row.first_position + row.token_count) % 50] = 1;
      }
      return absl::OkStatus();
    };
    coordinator::PlanOptions plan;
    plan.run.context_positions = 2000;
    plan.chunk_tokens = 64;
    const absl::Status loaded =
        coordinator_->LoadModel(std::string(std::getenv("SHOAL_SOURCE_DIR")) +
                                    "/models/shoal-stories-3m-q8_0.gguf",
                                plan, nullptr);
    EXPECT_TRUE(loaded.ok()) << loaded;
    coordinator::RequestQueue::Options limits;
    limits.waiting_count_max = 1;
    queue_ = std::make_unique<coordinator::RequestQueue>(limits, *coordinator_);
    queue_->SetReady(1);
    HttpServer::Options options;
    options.api_key = api_key;
    options.model_name = "toy";
    auto server = HttpServer::Start(options, *queue_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = std::make_unique<httplib::Client>("127.0.0.1", server_->port());
  }
  ~HttpServerTest() override {
    Hold(false);
    queue_->Stop(absl::Now());
  }

  // While held, passes do not end.
  void Hold(bool is_held) {
    base::MutexLock lock(mutex_);
    is_held_ = is_held;
    changed_.NotifyAll();
  }

  httplib::Result Post(const std::string& body,
                       const std::string& path = "/v1/completions") {
    return client_->Post(path, body, "application/json");
  }
  json ErrorOf(const httplib::Result& result, int status) {
    EXPECT_TRUE(result) << httplib::to_string(result.error());
    if (!result) return {};
    EXPECT_EQ(result->status, status) << result->body;
    return json::parse(result->body)["error"];
  }
  std::shared_ptr<coordinator::RequestStream> Submit(uint32_t tokens) {
    coordinator::GenerateRequest request;
    request.prompt = std::vector<int32_t>{5};
    request.max_tokens = tokens;
    request.ignore_eos = true;
    return queue_->Submit(request).value();
  }
  // With one at a time: everything before it has ended, too.
  void AwaitEndOfAll() {
    const auto last = Submit(1);
    while (!last->Next(absl::Now() + kPatience).end) {
    }
  }

  coordinator::FakeRank rank_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_held_ = false;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<coordinator::RequestQueue> queue_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(HttpServerTest, AStreamIsTheSameTextInPieces) {
  const auto whole = Post(R"({"prompt":"One","max_tokens":20,
                              "temperature":0})");
  ASSERT_TRUE(whole);
  ASSERT_EQ(whole->status, 200) << whole->body;
  const json answer = json::parse(whole->body);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 20);
  const auto streamed = Post(R"({"prompt":"One","max_tokens":20,
      "temperature":0,"stream":true})");
  ASSERT_TRUE(streamed);
  EXPECT_EQ(streamed->get_header_value("Content-Type"), "text/event-stream");
  std::string text;
  std::vector<std::string> events =
      absl::StrSplit(streamed->body, "\n\n", absl::SkipEmpty());
  ASSERT_GT(events.size(), 10u);
  EXPECT_EQ(events.back(), "data: [DONE]");
  events.pop_back();
  for (const std::string& event : events) {
    const json chunk =
        json::parse(std::string(absl::StripPrefix(event, "data: ")));
    text += chunk["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(text, answer["choices"][0]["text"]);
}

TEST_F(HttpServerTest, WhatIsWrongWithARequestIs400) {
  EXPECT_EQ(ErrorOf(Post("{"), 400)["code"], "invalid_json");
  EXPECT_EQ(ErrorOf(Post(R"({"prompt":"a","n":2})"), 400)["param"], "n");
  std::string lengthy;
  for (int i = 0; i < 3000; ++i) lengthy += "word ";
  const json full = ErrorOf(Post(json{{"prompt", lengthy}}.dump()), 400);
  EXPECT_EQ(full["code"], "context_length_exceeded");
  EXPECT_THAT(full["message"].get<std::string>(), HasSubstr("2000 positions"));
  const json talk =
      ErrorOf(Post(R"({"messages":[{"role":"user","content":"Hi"}]})",
                   "/v1/chat/completions"),
              400);
  EXPECT_THAT(talk["message"].get<std::string>(), HasSubstr("chat template"));
  // And the service is good for another.
  EXPECT_EQ(Post(R"({"prompt":"a","max_tokens":1})")->status, 200);
}

TEST_F(HttpServerTest, WhatIsNotHereIs404) {
  EXPECT_EQ(ErrorOf(client_->Get("/v2"), 404)["code"], "not_found");
  EXPECT_EQ(ErrorOf(Post(R"({"prompt":"a","model":"gpt"})"), 404)["code"],
            "model_not_found");
  EXPECT_EQ(ErrorOf(client_->Get("/v1/models/gpt"), 404)["type"],
            "invalid_request_error");
  EXPECT_EQ(json::parse(client_->Get("/v1/models/toy")->body)["id"], "toy");
  EXPECT_EQ(json::parse(client_->Get("/v1/models")->body)["data"][0]["id"],
            "toy");
}

TEST_F(HttpServerTest, ABodyThatIsTooLargeIs413) {
  const std::string body(kBodyBytesMax + 1, ' ');
  EXPECT_EQ(ErrorOf(Post(body), 413)["code"], "request_too_large");
}

TEST_F(HttpServerTest, AFullQueueIs429WithRetryAfter) {
  Hold(true);
  const auto first = Submit(1);
  while (queue_->counters().active_count == 0) std::this_thread::yield();
  const auto second = Submit(1);
  const auto refused = Post(R"({"prompt":"a"})");
  const json error = ErrorOf(refused, 429);
  EXPECT_EQ(error["code"], "queue_full");
  EXPECT_EQ(refused->get_header_value("Retry-After"), "5");
}

TEST_F(HttpServerTest, WhileNothingIsServed503SaysWhyAndWhenToTryAgain) {
  EXPECT_EQ(client_->Get("/readyz")->status, 200);
  queue_->SetNotReady(coordinator::ServiceState::kFailed,
                      absl::UnavailableError("pi4-b is gone"));
  const auto refused = Post(R"({"prompt":"a"})");
  EXPECT_EQ(ErrorOf(refused, 503)["message"], "pi4-b is gone");
  EXPECT_EQ(refused->get_header_value("Retry-After"), "5");
  const auto ready = client_->Get("/readyz");
  EXPECT_EQ(ready->status, 503);
  EXPECT_EQ(json::parse(ready->body),
            json::parse(R"({"state":"failed","reason":"pi4-b is gone"})"));
  EXPECT_EQ(client_->Get("/healthz")->status, 200);
}

TEST_F(HttpServerTest, AClientThatHangsUpBeforeTheAnswerEndsItsGeneration) {
  client_->set_read_timeout(0, 150'000);
  EXPECT_FALSE(Post(R"({"prompt":"a","temperature":0,"max_tokens":1900})"));
  client_->stop();
  AwaitEndOfAll();
  EXPECT_EQ(queue_->counters().cancelled_count, 1u);
}

TEST_F(HttpServerTest, AClientIsGoneThoughItSentMoreThanWasRead) {
  const std::string body =
      R"({"prompt":"a","temperature":0,"max_tokens":1900})";
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send(absl::StrCat(
      "POST /v1/completions HTTP/1.1\r\nContent-Length: ", body.size(),
      "\r\n\r\n", body, std::string(9000, 'x'))));
  while (queue_->counters().active_count == 0) std::this_thread::yield();
  client.Close();
  AwaitEndOfAll();
  EXPECT_EQ(queue_->counters().cancelled_count, 1u);
}

TEST_F(HttpServerTest, AReceiverThatStopsReadingEndsItsStream) {
  int pieces = 0;
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/completions";
  request.body = R"({"prompt":"a","temperature":0,"max_tokens":1900,
                     "stream":true})";
  request.content_receiver = [&](const char*, size_t, uint64_t, uint64_t) {
    return ++pieces < 3;
  };
  client_->send(request);
  client_->stop();
  AwaitEndOfAll();
  EXPECT_EQ(queue_->counters().cancelled_count, 1u);
}

TEST_F(HttpServerTest, StoppingTheServiceTellsTheClients) {
  std::thread other([&] {
    httplib::Client client("127.0.0.1", server_->port());
    const auto result = client.Post(
        "/v1/completions",
        R"({"prompt":"a","temperature":0,"max_tokens":1900,"stream":true})",
        "application/json");
    ASSERT_TRUE(result);
    EXPECT_THAT(result->body, HasSubstr("the service is shutting down"));
    EXPECT_THAT(result->body, ::testing::Not(HasSubstr("[DONE]")));
  });
  while (queue_->counters().active_count == 0) std::this_thread::yield();
  queue_->Stop(absl::InfinitePast());
  other.join();
}

TEST_F(HttpServerTest, MetricsCountWhatWasDone) {
  ASSERT_EQ(Post(R"({"prompt":"a","temperature":0,"max_tokens":7})")->status,
            200);
  const std::string text = client_->Get("/metrics")->body;
  EXPECT_THAT(text, HasSubstr("\nshoal_requests_total{end=\"finished\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nshoal_generated_tokens_total 7\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE shoal_requests_active gauge\n"));
  EXPECT_THAT(text, HasSubstr("shoal_ready 1\n"));
}

class HttpServerKeyTest : public HttpServerTest {
 protected:
  HttpServerKeyTest() : HttpServerTest("s3cret") {}
};

TEST_F(HttpServerKeyTest, WithoutTheKeyThereAreOnlyProbes) {
  EXPECT_EQ(client_->Get("/healthz")->status, 200);
  EXPECT_EQ(client_->Get("/readyz")->status, 200);
  for (const char* shown : {"", "Bearer s3cre", "Bearer s3cret1", "s3cret"}) {
    httplib::Headers headers;
    if (*shown != '\0') headers.emplace("Authorization", shown);
    for (const char* path : {"/v1/models", "/metrics", "/v2"}) {
      const auto result = client_->Get(path, headers);
      EXPECT_EQ(ErrorOf(result, 401)["code"], "invalid_api_key") << shown;
      EXPECT_THAT(result->body, ::testing::Not(HasSubstr("s3cret")));
    }
  }
  EXPECT_EQ(
      client_->Get("/v1/models", {{"Authorization", "Bearer s3cret"}})->status,
      200);
}

}  // namespace
}  // namespace shoal::http

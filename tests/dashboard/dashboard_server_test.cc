#include "dashboard/dashboard_server.h"

#include <httplib.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "dashboard/page_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/http/raw_client.h"

namespace shoal::dashboard {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kPatience = absl::Seconds(20);

// Until `is_so`; false: it never was.
template <typename IsSo>
bool Await(IsSo is_so) {
  const absl::Time give_up = absl::Now() + kPatience;
  while (!is_so()) {
    if (absl::Now() > give_up) return false;
    std::this_thread::yield();
  }
  return true;
}

class DashboardServerTest : public ::testing::Test {
 protected:
  DashboardServerTest() {
    options_.model = [] { return ChatModel{"toy", 512, true}; };
    options_.generate = [](const coordinator::GenerateRequest& request,
                           const coordinator::TextCallback& on_text,
                           const std::atomic<bool>&)
        -> absl::StatusOr<coordinator::GenerateResult> {
      on_text(std::get<std::string>(request.prompt));
      coordinator::GenerateResult result;
      result.token_ids = {1, 2};
      result.prompt_tokens = 3;
      result.time_to_first_token = absl::Milliseconds(5);
      result.token_times = {absl::Milliseconds(4)};
      return result;
    };
  }
  ~DashboardServerTest() override { feed_.Close(); }

  void Start() {
    auto server = DashboardServer::Start(options_, feed_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = std::make_unique<httplib::Client>("127.0.0.1", server_->port());
  }

  httplib::Result Chat(const std::string& body,
                       const httplib::Headers& headers = {}) {
    return client_->Post("/api/chat", headers, body, "application/json");
  }

  // The code of an error of `status`.
  static std::string CodeOf(const httplib::Result& result, int status) {
    if (!result) return "no answer";
    EXPECT_EQ(result->status, status) << result->body;
    return json::parse(result->body)["error"]["code"];
  }

  LiveFeed feed_;
  DashboardServer::Options options_;
  std::unique_ptr<DashboardServer> server_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(DashboardServerTest, ThePageMayLoadNothingFromElsewhere) {
  Start();
  ASSERT_GE(PageFiles().size(), 4u);
  for (const PageFile& file : PageFiles()) {
    const auto got = client_->Get(std::string(file.path));
    ASSERT_TRUE(got) << file.path;
    EXPECT_EQ(got->status, 200);
    EXPECT_EQ(got->body, std::string(file.bytes));
    EXPECT_EQ(got->get_header_value("Content-Type"),
              std::string(file.content_type));
    EXPECT_THAT(got->get_header_value("Content-Security-Policy"),
                HasSubstr("default-src 'none'; script-src 'self'"));
    EXPECT_EQ(got->get_header_value("X-Content-Type-Options"), "nosniff");
    // Nor does it name anything there, but for namespaces of XML.
    if (file.path == "/" || file.path == "/app.css") {
      EXPECT_THAT(got->body, Not(HasSubstr("//"))) << file.path;
    }
  }
  EXPECT_EQ(CodeOf(client_->Get("/index.html"), 404), "not_found");
}

TEST_F(DashboardServerTest, AChangeIsAskedForAndItsRefusalSaid) {
  std::vector<coordinator::FleetChange> asked;
  options_.change = [&](const coordinator::FleetChange& change)
      -> absl::StatusOr<std::string> {
    asked.push_back(change);
    if (change.device == "pi9") {
      return absl::NotFoundError("this fleet has no device pi9");
    }
    return "draining pi3: planned";
  };
  Start();
  const auto post = [&](const std::string& body,
                        const httplib::Headers& headers = {}) {
    return client_->Post("/api/change", headers, body, "application/json");
  };
  const auto done = post(R"({"change":"drain","device":"pi3"})");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, 200);
  EXPECT_EQ(json::parse(done->body)["text"], "draining pi3: planned");
  const auto refused = post(R"({"change":"resume","device":"pi9"})");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 400);
  EXPECT_THAT(refused->body, HasSubstr("no device pi9"));
  EXPECT_EQ(post(R"({"change":"replan"})")->status, 200);
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[0].kind, coordinator::FleetChange::Kind::kDrain);
  EXPECT_EQ(asked[1].kind, coordinator::FleetChange::Kind::kResume);
  EXPECT_EQ(asked[2].kind, coordinator::FleetChange::Kind::kReplan);
  for (const char* wrong : {"", "[]", "7", R"({"change":"drain"})",
                            R"({"change":"drain","device":7})",
                            R"({"change":"erase","device":"pi3"})"}) {
    EXPECT_EQ(post(wrong)->status, 400) << wrong;
  }
  EXPECT_EQ(
      CodeOf(post(R"({"change":"replan"})", {{"Origin", "http://127.0.0.1:1"}}),
             403),
      "other_origin");
  EXPECT_EQ(asked.size(), 3u);
}

TEST_F(DashboardServerTest, EventsComeAsTheyArePublishedUntilItCloses) {
  Start();
  feed_.SetLink(LiveFeed::Link::kLive, "here");
  feed_.Publish(true, R"({"uptime_ms":"7"})", {R"({"text":"began"})"});
  std::string all;
  const auto got = client_->Get(
      "/api/events",
      [](const httplib::Response& response) {
        EXPECT_EQ(response.get_header_value("Content-Type"),
                  "text/event-stream");
        return true;
      },
      [&](const char* bytes, size_t size) {
        all.append(bytes, size);
        if (all.find("\"8\"") != std::string::npos) {
          feed_.Close();
        } else if (all.find("\"7\"") != std::string::npos) {
          feed_.Publish(false, R"({"uptime_ms":"8"})", {});
        }
        return true;
      });
  ASSERT_TRUE(got);
  EXPECT_EQ(all,
            "event: link\ndata: {\"state\":\"live\",\"message\":\"here\"}\n\n"
            "event: update\ndata: {\"first\":true,\"snapshot\":{\"uptime_ms\":"
            "\"7\"},\"events\":[{\"text\":\"began\"}]}\n\n"
            "event: update\ndata: {\"first\":false,\"snapshot\":{\"uptime_ms\":"
            "\"8\"},\"events\":[]}\n\n");
}

TEST_F(DashboardServerTest, AChatIsAnsweredPieceByPiece) {
  Start();
  const auto got = Chat(R"({"prompt":"fish \"messages\"","max_tokens":9})");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body,
            "event: text\ndata: {\"text\":\"fish \\\"messages\\\"\"}\n\n"
            "event: done\ndata: {\"finish_reason\":\"length\","
            "\"prompt_tokens\":3,\"tokens\":2,\"time_to_first_token_ms\":5.0,"
            "\"ms_per_token\":4.0}\n\n");
  EXPECT_EQ(json::parse(client_->Get("/api/model")->body),
            json::parse(R"({"name":"toy","context_positions":512,
                            "has_chat_template":true})"));
  EXPECT_EQ(CodeOf(Chat(R"({"max_tokens":9})"), 400), "invalid_value");
  EXPECT_EQ(CodeOf(Chat(R"({"messages":7})"), 400), "invalid_value");
}

TEST_F(DashboardServerTest, WhatFailsIsTold) {
  options_.model = [] { return absl::UnavailableError("nobody answers"); };
  options_.generate = [](const auto&, const auto&, const auto&) {
    return absl::UnavailableError("pi4-b is gone");
  };
  Start();
  EXPECT_THAT(client_->Get("/api/model")->body, HasSubstr("nobody answers"));
  EXPECT_EQ(Chat(R"({"prompt":"a"})")->body,
            "event: error\ndata: {\"message\":\"pi4-b is gone\"}\n\n");
}

TEST_F(DashboardServerTest, WhoHangsUpEndsTheGeneration) {
  std::atomic<int> cancelled = 0;
  options_.generate = [&cancelled](const auto&, const auto&,
                                   const std::atomic<bool>& cancel)
      -> absl::StatusOr<coordinator::GenerateResult> {
    while (!cancel) std::this_thread::yield();
    ++cancelled;
    return coordinator::GenerateResult();
  };
  Start();
  http::RawClient client(server_->port());
  ASSERT_TRUE(
      client.Send("POST /api/chat HTTP/1.1\r\nContent-Length: 14\r\n\r\n"
                  "{\"prompt\":\"a\"}"));
  ASSERT_TRUE(Await([&] { return server_->stream_count() == 1; }));
  client.Close();
  EXPECT_TRUE(Await([&] { return cancelled == 1; }));
  EXPECT_TRUE(Await([&] { return server_->stream_count() == 0; }));
}

TEST_F(DashboardServerTest, APageThatNeverReadsIsCutOffAndHoldsUpNobody) {
  options_.limits.write_silence = absl::Milliseconds(200);
  Start();
  http::RawClient client(server_->port(), /*receive_buffer=*/4096);
  ASSERT_TRUE(client.Send("GET /api/events HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(Await([&] { return server_->stream_count() == 1; }));
  const std::string large(1 << 20, '7');
  uint64_t published = 0;
  EXPECT_TRUE(Await([&] {
    feed_.Publish(published++ == 0, large, {});
    return server_->stream_count() == 0;
  }));
  // More than it could have kept for that page: a socket takes 4 MiB.
  EXPECT_GT(published, 10u);
}

TEST_F(DashboardServerTest, TooManyPagesAreRefused) {
  Start();
  std::vector<std::unique_ptr<http::RawClient>> clients;
  for (int i = 0; i < DashboardServer::kStreamCountMax; ++i) {
    clients.push_back(std::make_unique<http::RawClient>(server_->port()));
    ASSERT_TRUE(clients.back()->Send("GET /api/events HTTP/1.1\r\n\r\n"));
  }
  ASSERT_TRUE(Await([&] {
    return server_->stream_count() == DashboardServer::kStreamCountMax;
  }));
  EXPECT_EQ(CodeOf(client_->Get("/api/events"), 503), "too_many_pages");
  EXPECT_EQ(client_->Get("/")->status, 200);
  clients.pop_back();
  ASSERT_TRUE(Await([&] {
    return server_->stream_count() < DashboardServer::kStreamCountMax;
  }));
  EXPECT_EQ(Chat(R"({"prompt":"a"})")->status, 200);
}

TEST_F(DashboardServerTest, PagesOfElsewhereReachNothing) {
  options_.access.host_names = {"desk.home"};
  Start();
  for (const char* path : {"/", "/api/model", "/api/events"}) {
    EXPECT_EQ(CodeOf(client_->Get(path, {{"Host", "evil.example"}}), 403),
              "unknown_host");
    EXPECT_EQ(
        CodeOf(client_->Get(path, {{"Origin", "http://evil.example"}}), 403),
        "unknown_host");
  }
  EXPECT_EQ(client_->Get("/", {{"Host", "desk.home:80"}})->status, 200);
  const std::string body = R"({"prompt":"a"})";
  const std::string here = absl::StrCat("127.0.0.1:", server_->port());
  EXPECT_EQ(CodeOf(Chat(body, {{"Origin", "http://127.0.0.1:1"}}), 403),
            "other_origin");
  EXPECT_EQ(CodeOf(Chat(body, {{"Origin", "null"}}), 403), "unknown_host");
  EXPECT_EQ(Chat(body, {{"Origin", "http://" + here}})->status, 200);
}

TEST_F(DashboardServerTest, WithAKeyThePageIsOpenAndWhatItShowsIsNot) {
  options_.access.api_key = "s3cret";
  Start();
  EXPECT_EQ(client_->Get("/")->status, 200);
  EXPECT_EQ(client_->Get("/app.js")->status, 200);
  for (const char* path : {"/api/events", "/api/model", "/api/other"}) {
    EXPECT_EQ(CodeOf(client_->Get(path), 401), "invalid_api_key");
    EXPECT_EQ(
        CodeOf(client_->Get(path, {{"Authorization", "Bearer s3cre"}}), 401),
        "invalid_api_key");
  }
  EXPECT_EQ(CodeOf(Chat(R"({"prompt":"a"})"), 401), "invalid_api_key");
  const httplib::Headers key = {{"Authorization", "Bearer s3cret"}};
  EXPECT_EQ(client_->Get("/api/model", key)->status, 200);
  // The key does not make another site's page welcome.
  EXPECT_EQ(
      CodeOf(Chat(R"({"prompt":"a"})", {{"Authorization", "Bearer s3cret"},
                                        {"Origin", "http://10.0.0.1"}}),
             403),
      "other_origin");
}

TEST_F(DashboardServerTest, AnAddressInUseIsRefused) {
  Start();
  options_.port = server_->port();
  const auto second = DashboardServer::Start(options_, feed_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat(server_->port())));
}

}  // namespace
}  // namespace shoal::dashboard

#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/completion_request.h"
#include "http/server.h"
#include "tests/coordinator/fake_rank.h"
#include "tests/http/raw_client.h"

namespace shoal::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kKeyLine[] = "Authorization: Bearer s3cret\r\n";
constexpr char kPost[] =
    "POST /v1/completions HTTP/1.1\r\nHost: a\r\n"
    "Authorization: Bearer s3cret\r\n";

int AnswerCount(const std::string& said) {
  int count = 0;
  for (size_t at = said.find("HTTP/1.1 "); at != std::string::npos;
       at = said.find("HTTP/1.1 ", at + 1)) {
    ++count;
  }
  return count;
}

// Which listens on `port`, in this process.
int ListeningSocketOf(uint16_t port) {
  for (int file = 0; file < 1000; ++file) {
    int listens = 0;
    socklen_t length = sizeof(listens);
    sockaddr_in address = {};
    socklen_t address_length = sizeof(address);
    if (getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 &&
        listens != 0 &&
        getsockname(file, reinterpret_cast<sockaddr*>(&address),
                    &address_length) == 0 &&
        ntohs(address.sin_port) == port) {
      return file;
    }
  }
  return -1;
}

// A service that has no model.
class HostileClientTest : public ::testing::Test {
 protected:
  HostileClientTest() {
    parallel::DeviceProfile profile;
    profile.name = "desk";
    profile.budget_bytes = uint64_t{1} << 32;
    coordinator_ = coordinator::Coordinator::Create({}, rank_, profile);
    queue_ = std::make_unique<coordinator::RequestQueue>(
        coordinator::RequestQueue::Options{}, *coordinator_);
    Start();
  }
  ~HostileClientTest() override { queue_->Stop(absl::Now()); }

  void Start() {
    HttpServer::Options options;
    options.api_key = "s3cret";
    options.model_name = "toy";
    auto server = HttpServer::Start(options, *queue_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::string Ask(const std::string& request) {
    RawClient client(server_->port());
    client.Send(request);
    return client.ReadAll();
  }

  base::Mutex mutex_;
  base::CondVar never_;
  coordinator::FakeRank rank_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<coordinator::RequestQueue> queue_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HostileClientTest, ABodyIsNeverTakenForAnotherRequest) {
  const std::string inner =
      absl::StrCat("GET /v1/models HTTP/1.1\r\nHost: a\r\n", kKeyLine, "\r\n");
  const std::string body =
      absl::StrCat("Content-Length: ", inner.size(), "\r\n\r\n", inner);
  for (const char* first :
       {"POST /v1/completions HTTP/1.1\r\nHost: a\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n",
        "GET /healthz HTTP/1.1\r\nRange: bytes=z\r\n", "GET\r\nHost: a\r\n"}) {
    const std::string said = Ask(first + body);
    EXPECT_EQ(AnswerCount(said), 1) << first << said;
    EXPECT_THAT(said, Not(HasSubstr("\"toy\"")));
    EXPECT_THAT(said, HasSubstr("Connection: close\r\n"));
  }
}

TEST_F(HostileClientTest, AHeadWithoutEndIs431) {
  const std::string begin = "GET /healthz HTTP/1.1\r\n";
  EXPECT_THAT(Ask(begin + "A: " + std::string(200'000, 'a')),
              StartsWith("HTTP/1.1 431"));
  std::string lines;
  for (int i = 0; i < 20'000; ++i) lines += "A: b\r\n";
  EXPECT_THAT(Ask(begin + lines + "\r\n"), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(Ask(std::string(200'000, 'G')), StartsWith("HTTP/1.1 431"));
}

TEST_F(HostileClientTest, ABodyInChunksHasTheSameLimit) {
  std::string request =
      absl::StrCat(kPost, "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(65536, ' ') + "\r\n";
  for (size_t i = 0; i < kBodyBytesMax / 65536 + 3; ++i) request += chunk;
  const std::string said = Ask(request + "0\r\n\r\n");
  EXPECT_THAT(said, StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(said, HasSubstr("request_too_large"));
  EXPECT_EQ(AnswerCount(said), 1);
}

TEST_F(HostileClientTest, ABodyWithoutALengthIsNone) {
  const std::string said = Ask(absl::StrCat(kPost, "\r\n{\"prompt\":\"a\"}"));
  EXPECT_THAT(said, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(said, HasSubstr("invalid_json"));
}

TEST_F(HostileClientTest, ABodyIsNotDecompressed) {
  for (const char* encoding : {"gzip", "br", "deflate"}) {
    const std::string said =
        Ask(absl::StrCat(kPost, "Content-Encoding: ", encoding,
                         "\r\nContent-Length: 2\r\n\r\n{}"));
    EXPECT_THAT(said, StartsWith("HTTP/1.1 415")) << encoding;
    EXPECT_THAT(said, HasSubstr("unsupported_encoding"));
  }
}

TEST_F(HostileClientTest, RangesAreNotServed) {
  const std::string said =
      Ask("GET /healthz HTTP/1.1\r\nRange: bytes=0-0,0-1,0-2\r\n\r\n");
  EXPECT_THAT(said, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(said, ::testing::EndsWith("\r\n\r\nok\n"));
}

TEST_F(HostileClientTest, TheTypeOfABodyDoesNotMatter) {
  std::string body = "{\"prompt\":\"a\"}";
  body.resize(8193, ' ');
  for (const char* type : {"application/x-www-form-urlencoded",
                           "multipart/form-data; boundary=x", "text/plain"}) {
    const std::string said = Ask(
        absl::StrCat(kPost, "Content-Type: ", type,
                     "\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    // Understood, and there is no model.
    EXPECT_THAT(said, StartsWith("HTTP/1.1 503")) << type;
  }
}

// Most clients look for an answer when they have sent all.
TEST_F(HostileClientTest, WhoIsRefusedBeforeItsBodyMaySendItSlowly) {
  const std::string piece(size_t{1} << 20, ' ');
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send(absl::StrCat(
      "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: ",
      3 * piece.size(), "\r\n\r\n")));
  for (int i = 0; i < 3; ++i) {
    base::MutexLock lock(mutex_);
    never_.WaitUntil(mutex_, absl::Now() + absl::Milliseconds(600));
    ASSERT_TRUE(client.Send(piece)) << i;
  }
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 401"));
}

// Its connection ends with the answer, not with a wait for the rest of a body.
TEST_F(HostileClientTest, WhoAnnouncedNoBodyOwesNone) {
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 200"));
  const absl::Time give_up = absl::Now() + absl::Seconds(5);
  while (absl::Now() < give_up && client.Send("x")) {
    base::MutexLock lock(mutex_);
    never_.WaitUntil(mutex_, absl::Now() + absl::Milliseconds(20));
  }
  EXPECT_LT(absl::Now(), give_up);
}

TEST_F(HostileClientTest, ABodyThatIsMuchTooLongMayBeSentToItsEnd) {
  const std::string body(size_t{24} << 20, ' ');
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send(
      absl::StrCat(kPost, "Content-Length: ", body.size(), "\r\n\r\n")));
  ASSERT_TRUE(client.Send(body));
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 413"));
}

TEST_F(HostileClientTest, WhoSendsForEverDoesNotHoldUpTheEnd) {
  for (const std::string& begin :
       {std::string("GET / HTTP/1.1\r\nA: "),
        absl::StrCat(kPost, "Content-Length: 100000\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")}) {
    RawClient client(server_->port());
    ASSERT_TRUE(client.Send(begin));
    const absl::Time give_up = absl::Now() + absl::Seconds(8);
    std::thread sender([&] {
      while (absl::Now() < give_up && client.Send("a")) {
        client.AwaitAnswer(10);
      }
    });
    // It is served.
    ASSERT_THAT(Ask("GET /healthz HTTP/1.1\r\n\r\n"), HasSubstr("200"));
    server_ = nullptr;
    EXPECT_LT(absl::Now(), give_up) << begin;
    sender.join();
    Start();
  }
}

TEST_F(HostileClientTest, WhoIsStillSendingAtTheEndIsToldToComeBack) {
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send(absl::StrCat(
      kPost, "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n{")));
  ASSERT_TRUE(client.AwaitAnswer(20'000));
  server_ = nullptr;
  const std::string said = client.ReadAll();
  EXPECT_THAT(said, StartsWith("HTTP/1.1 100"));
  EXPECT_THAT(said, HasSubstr("\r\nHTTP/1.1 503"));
  EXPECT_THAT(said, HasSubstr("\r\nRetry-After: 5\r\n"));
}

TEST_F(HostileClientTest, AServerCanEndAsSoonAsItBegan) {
  for (int i = 0; i < 30; ++i) {
    server_ = nullptr;
    Start();
  }
}

TEST_F(HostileClientTest, AListenerThatFailsSaysSo) {
  EXPECT_TRUE(server_->serving());
  ASSERT_EQ(shutdown(ListeningSocketOf(server_->port()), SHUT_RDWR), 0);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (server_->serving() && absl::Now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(server_->serving());
}

}  // namespace
}  // namespace shoal::http

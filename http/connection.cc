#include "http/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "http/api_error.h"
#include "http/completion_request.h"

namespace shoal::http {
namespace {

// How often somebody who waits looks whether the server stops.
constexpr absl::Duration kSlice = absl::Milliseconds(100);
// What an answered client may still send before its connection ends: bytes that
// come to a closed socket break it, and many a client then does not look for
// the answer. Longer for those who have not sent all of their body, as after a
// 401 or 503: they look when they have.
struct LeftoverLimits {
  size_t bytes_max = size_t{8} << 20;
  absl::Duration time = absl::Seconds(1);
  absl::Duration silence = kSlice;
};
constexpr LeftoverLimits kBodyLeftover = {size_t{64} << 20, absl::Seconds(10),
                                          absl::Seconds(2)};
// The same once the server stops.
constexpr absl::Duration kStopLeftoverTime = absl::Seconds(1);
// How long answers may still take once the server stops.
constexpr absl::Duration kStopGrace = absl::Seconds(2);
// Beside the body: what frames the chunks of one.
constexpr size_t kFramingBytesMax = size_t{64} << 10;
constexpr size_t kReadBytes = 4096;

bool AwaitEvent(int socket, short events, absl::Duration timeout) {
  pollfd file = {socket, events, 0};
  int ready = 0;
  do {
    ready =
        poll(&file, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// False: closed or broken. Unread bytes and silence count as open.
bool IsOpen(int socket) {
  pollfd file = {socket, POLLRDHUP, 0};
  const int ready = poll(&file, 1, 0);
  return ready == 0 || (ready < 0 && errno == EINTR);
}

void FillAddress(const sockaddr_storage& address, socklen_t length,
                 std::string& ip, int& port) {
  char host[NI_MAXHOST];
  char service[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host,
                  sizeof(host), service, sizeof(service),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return;
  }
  ip = host;
  port = std::atoi(service);
}

// Bytes of one connection with one request, for the library to read that from
// and write the answer to.
class SocketStream final : public httplib::Stream {
 public:
  SocketStream(int socket, const ConnectionLimits& limits, HeldBytes& held,
               const std::atomic<bool>& stops)
      : socket_(socket), limits_(limits), held_(held), stops_(stops) {}
  ~SocketStream() override { held_.Give(held_bytes_); }

  // The first step: false where no whole head came; refusal() may say why.
  bool ReadHead() {
    const absl::Time deadline = absl::Now() + limits_.head_time;
    for (;;) {
      const size_t seen = buffer_.size();
      const ssize_t got = Receive(deadline);
      // Who never began needs no answer.
      if (got <= 0) {
        if (seen == 0) refusal_ = 0;
        return false;
      }
      const size_t end = buffer_.find("\n\r\n", seen < 2 ? 0 : seen - 2);
      if (end != std::string::npos && end < HttpListener::kHeadBytesMax) {
        bytes_left_ = end + 3 + kBodyBytesMax + kFramingBytesMax;
        body_deadline_ = absl::Now() + limits_.body_time;
        return true;
      }
      if (buffer_.size() >= HttpListener::kHeadBytesMax) {
        refusal_ = 431;
        return false;
      }
    }
  }

  // Of the request whose head the library has just read.
  void ExpectBody(size_t bytes) {
    body_begin_ = consumed_bytes_;
    body_bytes_ = bytes;
  }
  // Whether the client has not sent all that it announced.
  bool owes_body() const {
    return refusal_ != 0 || received_bytes_ - body_begin_ < body_bytes_;
  }

  // The status to answer with where the request could not be read; 0: none.
  // What the library writes after that is dropped.
  int refusal() const { return refusal_; }

  void WriteRefusal() {
    const std::string body =
        (is_full_ ? TooManyBytes() : OfHttpStatus(refusal_)).ToJson();
    const std::string answer =
        absl::StrCat("HTTP/1.1 ", refusal_,
                     " Refused\r\nContent-Type: application/json\r\n"
                     "Content-Length: ",
                     body.size(), refusal_ == 503 ? "\r\nRetry-After: 5" : "",
                     "\r\nConnection: close\r\n\r\n", body);
    for (size_t sent = 0; sent < answer.size();) {
      const ssize_t count = Send(answer.data() + sent, answer.size() - sent);
      if (count <= 0) return;
      sent += static_cast<size_t>(count);
    }
  }

  bool is_readable() const override { return refusal_ == 0; }
  bool is_writable() const override {
    return AwaitWritable() && IsOpen(socket_);
  }
  // The library reads a request's head byte by byte.
  ssize_t read(char* to, size_t size) override {
    if (bytes_left_ == 0) refusal_ = 413;
    if (refusal_ != 0) return -1;
    if (begin_ == buffer_.size()) {
      buffer_.clear();
      begin_ = 0;
      const ssize_t got = Receive(body_deadline_);
      if (got <= 0) return got;
    }
    const size_t count = std::min({size, buffer_.size() - begin_, bytes_left_});
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    consumed_bytes_ += count;
    bytes_left_ -= count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    return refusal_ != 0 ? static_cast<ssize_t>(size) : Send(from, size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_storage address = {};
    socklen_t length = sizeof(address);
    if (getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &length) ==
        0) {
      FillAddress(address, length, ip, port);
    }
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_storage address = {};
    socklen_t length = sizeof(address);
    if (getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) ==
        0) {
      FillAddress(address, length, ip, port);
    }
  }
  socket_t socket() const override { return socket_; }

 private:
  // Appends to the buffer. 0: the client sends no more; -1: it failed, and
  // refusal() may say why.
  ssize_t Receive(absl::Time deadline) {
    const absl::Time until =
        std::min(deadline, absl::Now() + limits_.read_silence);
    do {
      if (stops_) refusal_ = 503;
      if (absl::Now() >= until) refusal_ = 408;
      if (refusal_ != 0) return -1;
    } while (!AwaitEvent(socket_, POLLIN, kSlice));
    char bytes[kReadBytes];
    ssize_t got = 0;
    do {
      got = recv(socket_, bytes, sizeof(bytes), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return got;
    const auto count = static_cast<size_t>(got);
    received_bytes_ += count;
    if (!held_.Take(count)) {
      is_full_ = true;
      refusal_ = 503;
      return -1;
    }
    held_bytes_ += count;
    buffer_.append(bytes, count);
    return got;
  }

  ssize_t Send(const char* from, size_t size) const {
    if (!AwaitWritable()) return -1;
    ssize_t sent = 0;
    do {
      sent = send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent;
  }

  bool AwaitWritable() const {
    const absl::Time until = absl::Now() + limits_.write_silence;
    do {
      const absl::Time now = absl::Now();
      if (stops_) stop_deadline_ = std::min(stop_deadline_, now + kStopGrace);
      if (now >= std::min(until, stop_deadline_)) return false;
    } while (!AwaitEvent(socket_, POLLOUT, kSlice));
    return true;
  }

  const int socket_;
  const ConnectionLimits& limits_;
  HeldBytes& held_;
  const std::atomic<bool>& stops_;
  size_t held_bytes_ = 0;  // of held_
  bool is_full_ = false;   // held_ was, that is why it is refused
  std::string buffer_;
  size_t begin_ = 0;
  size_t bytes_left_ = 0;
  size_t received_bytes_ = 0;  // all that came
  size_t consumed_bytes_ = 0;  // what the library took of it
  size_t body_begin_ = 0;
  size_t body_bytes_ = 0;  // announced
  absl::Time body_deadline_ = absl::InfinitePast();
  int refusal_ = 0;
  mutable absl::Time stop_deadline_ = absl::InfiniteFuture();
};

// What the library would do with these is not wanted: it multiplies answers
// (Range), has other limits for forms, and reads a body without a length until
// the client hangs up.
void Tame(httplib::Request& request) {
  request.ranges.clear();
  request.headers.erase("Range");
  request.headers.erase("Content-Type");
  if (!request.has_header("Content-Length") &&
      !absl::EqualsIgnoreCase(request.get_header_value("Transfer-Encoding"),
                              "chunked")) {
    request.set_header("Content-Length", "0");
  }
}

// What a request announces after its head (RFC 9112, section 6.3): chunks have
// no length, and neither field means no body.
size_t BodyBytesOf(const httplib::Request& request) {
  if (request.has_header("Transfer-Encoding")) return SIZE_MAX;
  if (!request.has_header("Content-Length")) return 0;
  return static_cast<size_t>(
      request.get_header_value<uint64_t>("Content-Length"));
}

void ReadLeftover(int socket, const LeftoverLimits& limits,
                  const std::atomic<bool>& stops) {
  shutdown(socket, SHUT_WR);
  char bytes[kReadBytes];
  absl::Time deadline = absl::Now() + limits.time;
  absl::Time heard = absl::Now();
  for (size_t total = 0; total < limits.bytes_max;) {
    const absl::Time now = absl::Now();
    if (stops) deadline = std::min(deadline, now + kStopLeftoverTime);
    if (now >= std::min(deadline, heard + limits.silence)) return;
    if (!AwaitEvent(socket, POLLIN, kSlice)) continue;
    const ssize_t got = recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got <= 0) return;
    heard = absl::Now();
    total += static_cast<size_t>(got);
  }
}

// Tells when no more connections are taken.
class ConnectionQueue final : public httplib::TaskQueue {
 public:
  ConnectionQueue(size_t thread_count, std::function<void()> on_end)
      : on_end_(std::move(on_end)), pool_(thread_count) {}
  void enqueue(std::function<void()> task) override {
    pool_.enqueue(std::move(task));
  }
  void shutdown() override {
    on_end_();
    pool_.shutdown();
  }

 private:
  const std::function<void()> on_end_;
  httplib::ThreadPool pool_;
};

}  // namespace

HttpListener::~HttpListener() { Stop(); }

void HttpListener::Start(uint32_t connection_count_max) {
  new_task_queue = [this, connection_count_max] {
    auto* queue =
        new ConnectionQueue(connection_count_max, [this] { SetPhase(kEnded); });
    SetPhase(kServing);
    return queue;
  };
  thread_ = std::thread([this] { listen_after_bind(); });
  // The library's stop() does nothing before. Only the new thread is waited
  // for, nothing outside.
  phase_.wait(kStarting);
}

void HttpListener::Stop() {
  if (!thread_.joinable()) return;
  stops_ = true;
  // After a fault the library has closed its socket itself.
  if (serving()) stop();
  thread_.join();
}

void HttpListener::SetPhase(Phase phase) {
  phase_ = phase;
  phase_.notify_all();
}

bool HttpListener::IsConnected(const httplib::Request& request) {
  return request.progress(0, 0);
}

bool HttpListener::process_and_close_socket(socket_t socket) {
  LeftoverLimits leftover;
  {
    SocketStream stream(socket, limits_, held_, stops_);
    if (stream.ReadHead()) {
      bool closed = false;
      process_request(stream, /*close_connection=*/true, closed,
                      [socket, &stream](httplib::Request& request) {
                        Tame(request);
                        stream.ExpectBody(BodyBytesOf(request));
                        // The library leaves this field to clients.
                        request.progress = [socket](uint64_t, uint64_t) {
                          return IsOpen(socket);
                        };
                      });
    }
    if (stream.refusal() != 0) stream.WriteRefusal();
    if (stream.owes_body()) leftover = kBodyLeftover;
  }
  ReadLeftover(socket, leftover, stops_);
  close(socket);
  return true;
}

}  // namespace shoal::http

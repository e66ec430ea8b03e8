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

namespace shoal::http {
namespace {

// How often an idle connection looks whether the server stops.
constexpr int kSliceMs = 100;
// What an answered client may still send before its connection ends: without
// reading it the answer could be lost.
constexpr size_t kLeftoverBytesMax = size_t{8} << 20;

bool AwaitEvent(int socket, short events, int timeout_ms) {
  pollfd file = {socket, events, 0};
  int ready = 0;
  do {
    ready = poll(&file, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// False: closed or broken. Pipelined bytes and silence count as open.
bool IsOpen(int socket) {
  char byte = 0;
  const ssize_t got = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK ||
                                 errno == EINTR));
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

// Bytes of one connection, for the library to read requests from and write
// answers to.
class SocketStream final : public httplib::Stream {
 public:
  explicit SocketStream(int socket) : socket_(socket) {}

  bool is_readable() const override {
    return begin_ < end_ ||
           AwaitEvent(socket_, POLLIN, HttpListener::kReadSilenceMs);
  }
  bool is_writable() const override {
    return AwaitEvent(socket_, POLLOUT, HttpListener::kWriteSilenceMs) &&
           IsOpen(socket_);
  }
  // The library reads a request's head byte by byte.
  ssize_t read(char* to, size_t size) override {
    if (begin_ == end_) {
      if (!is_readable()) return -1;
      const ssize_t got = Receive(buffer_, sizeof(buffer_));
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<size_t>(got);
    }
    const size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_ + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    if (!AwaitEvent(socket_, POLLOUT, HttpListener::kWriteSilenceMs)) {
      return -1;
    }
    ssize_t sent = 0;
    do {
      sent = send(socket_, from, size, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
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

  bool has_buffered() const { return begin_ < end_; }

 private:
  ssize_t Receive(char* to, size_t size) const {
    ssize_t got = 0;
    do {
      got = recv(socket_, to, size, 0);
    } while (got < 0 && errno == EINTR);
    return got;
  }

  const int socket_;
  size_t begin_ = 0;
  size_t end_ = 0;
  char buffer_[4096];
};

void ReadLeftover(int socket) {
  shutdown(socket, SHUT_WR);
  char bytes[4096];
  for (size_t total = 0; total < kLeftoverBytesMax;) {
    if (!AwaitEvent(socket, POLLIN, kSliceMs)) return;
    const ssize_t got = recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got <= 0) return;
    total += static_cast<size_t>(got);
  }
}

}  // namespace

void HttpListener::Stop() {
  stops_ = true;
  stop();
}

bool HttpListener::IsConnected(const httplib::Request& request) {
  return request.progress(0, 0);
}

bool HttpListener::process_and_close_socket(socket_t socket) {
  SocketStream stream(socket);
  // The library leaves this field of a request to clients.
  const auto setup = [socket](httplib::Request& request) {
    request.progress = [socket](uint64_t, uint64_t) { return IsOpen(socket); };
  };
  for (int idle_ms = 0; idle_ms < kIdleTimeMs && !stops_;) {
    if (!stream.has_buffered() && !AwaitEvent(socket, POLLIN, kSliceMs)) {
      idle_ms += kSliceMs;
      continue;
    }
    bool closed = false;
    if (!process_request(stream, /*close_connection=*/stops_, closed, setup) ||
        closed) {
      break;
    }
    idle_ms = 0;
  }
  ReadLeftover(socket);
  close(socket);
  return true;
}

}  // namespace shoal::http

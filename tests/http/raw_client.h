// A client of HTTP that says what a library's would not.

#ifndef SHOAL_TESTS_HTTP_RAW_CLIENT_H_
#define SHOAL_TESTS_HTTP_RAW_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace shoal::http {

class RawClient {
 public:
  // `receive_buffer`: bytes that the system keeps for it; 0: many.
  explicit RawClient(uint16_t port, int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) {
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                 sizeof(receive_buffer));
    }
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address),
                sizeof(address)) != 0) {
      Close();
    }
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Close() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  // False: the service has closed.
  bool Send(const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t count =
          send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<size_t>(count);
    }
    return true;
  }

  // Whether there is something to read, the end included.
  bool AwaitAnswer(int timeout_ms) {
    pollfd file = {socket_, POLLIN, 0};
    return poll(&file, 1, timeout_ms) > 0;
  }

  // All that the service says until it closes, or the error of a silence.
  std::string ReadAll() {
    std::string all;
    char bytes[4096];
    for (;;) {
      if (!AwaitAnswer(20'000)) return all + "[silence]";
      const ssize_t got = recv(socket_, bytes, sizeof(bytes), 0);
      if (got <= 0) return all;
      all.append(bytes, static_cast<size_t>(got));
    }
  }

 private:
  int socket_ = -1;
};

}  // namespace shoal::http

#endif  // SHOAL_TESTS_HTTP_RAW_CLIENT_H_

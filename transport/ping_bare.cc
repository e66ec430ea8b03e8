#include <poll.h>
#include <sys/socket.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/pause.h"
#include "base/status_macros.h"
#include "transport/ping.h"
#include "transport/tcp_socket.h"

namespace shoal::transport {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

class BareTcp final : public PingEnd {
 public:
  BareTcp(bool polls, UniqueFd listener, UniqueFd fd)
      : polls_(polls), listener_(std::move(listener)), fd_(std::move(fd)) {}

  absl::Status Send(std::span<const std::byte> message) override {
    SHOAL_RETURN_IF_ERROR(Accept());
    while (!message.empty()) {
      const ssize_t count =
          send(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL);
      if (count > 0) {
        message = message.subspan(static_cast<size_t>(count));
      } else if (!TryAgain()) {
        return SocketError("send", errno);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Receive(size_t size) override {
    SHOAL_RETURN_IF_ERROR(Accept());
    buffer_.resize(size);
    for (size_t done = 0; done < size;) {
      const ssize_t count =
          recv(fd_.get(), buffer_.data() + done, size - done, 0);
      if (count > 0) {
        done += static_cast<size_t>(count);
      } else if (count == 0 || !TryAgain()) {
        return absl::UnavailableError("the other end closed");
      } else if (polls_) {
        base::Pause();
      } else {
        pollfd item = {fd_.get(), POLLIN, 0};
        poll(&item, 1, PollMilliseconds(absl::Now() + kPatience));
      }
    }
    return absl::OkStatus();
  }

 private:
  static bool TryAgain() { return errno == EAGAIN || errno == EINTR; }

  absl::Status Accept() {
    if (fd_.valid()) return absl::OkStatus();
    pollfd item = {listener_.get(), POLLIN, 0};
    poll(&item, 1, PollMilliseconds(absl::Now() + kPatience));
    fd_.Reset(accept4(listener_.get(), nullptr, nullptr,
                      SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd_.valid()) return SocketError("nobody dialled", errno);
    SetUpTcp(fd_.get(), {});
    return absl::OkStatus();
  }

  const bool polls_;
  UniqueFd listener_;
  UniqueFd fd_;
  std::vector<std::byte> buffer_;
};

}  // namespace

class BareZmqSockets {
 public:
  static absl::StatusOr<void*> OpenPair(ZmqContext& context) {
    void* const socket = zmq_socket(context.handle_, ZMQ_PAIR);
    if (socket != nullptr) return socket;
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot open a socket: ", zmq_strerror(errno)));
  }
};

namespace {

class BareZmq final : public PingEnd {
 public:
  explicit BareZmq(void* socket) : socket_(socket) {
    const int milliseconds =
        static_cast<int>(absl::ToInt64Milliseconds(kPatience));
    // The last answer may still be on its way when its sender ends.
    const int linger = 1000;
    zmq_setsockopt(socket_, ZMQ_RCVTIMEO, &milliseconds, sizeof(int));
    zmq_setsockopt(socket_, ZMQ_SNDTIMEO, &milliseconds, sizeof(int));
    zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof(int));
  }
  ~BareZmq() override { zmq_close(socket_); }

  void* socket() const { return socket_; }

  absl::Status Send(std::span<const std::byte> message) override {
    if (zmq_send(socket_, message.data(), message.size(), 0) >= 0)
      return absl::OkStatus();
    return Fault("send", errno);
  }

  absl::Status Receive(size_t size) override {
    zmq_msg_t message;
    zmq_msg_init(&message);
    const int count = zmq_msg_recv(&message, socket_, 0);
    const int error = errno;
    zmq_msg_close(&message);
    if (count >= 0 && static_cast<size_t>(count) == size)
      return absl::OkStatus();
    if (count < 0) return Fault("receive", error);
    return absl::UnavailableError("a message of another size came");
  }

 private:
  static absl::Status Fault(const char* what, int error) {
    if (error == EAGAIN) {
      return absl::DeadlineExceededError(
          absl::StrCat("bare ZeroMQ socket: cannot ", what, " within ",
                       absl::FormatDuration(kPatience)));
    }
    return absl::UnavailableError(absl::StrCat(
        "bare ZeroMQ socket: cannot ", what, ": ", zmq_strerror(error)));
  }

  void* const socket_;
};

}  // namespace

absl::StatusOr<PingDoor> ListenForBareTcp(bool polls) {
  SHOAL_ASSIGN_OR_RETURN(UniqueFd listener, ListenTcp("127.0.0.1"));
  PingDoor door;
  door.endpoint = EndpointOf(listener.get());
  door.end = std::make_unique<BareTcp>(polls, std::move(listener), UniqueFd());
  return door;
}

absl::StatusOr<std::unique_ptr<PingEnd>> DialBareTcp(
    bool polls, const std::string& endpoint) {
  LinkOptions options;
  options.abort = std::make_shared<AbortState>();
  SHOAL_ASSIGN_OR_RETURN(options.wake, WakeEvent::Create());
  SHOAL_ASSIGN_OR_RETURN(UniqueFd fd,
                         DialTcp(options, endpoint, absl::Now() + kPatience));
  return std::make_unique<BareTcp>(polls, UniqueFd(), std::move(fd));
}

absl::StatusOr<PingDoor> ListenForBareZmq(ZmqContext& context) {
  SHOAL_ASSIGN_OR_RETURN(void* const socket, BareZmqSockets::OpenPair(context));
  auto end = std::make_unique<BareZmq>(socket);
  std::array<char, 256> endpoint{};
  size_t size = endpoint.size();
  if (zmq_bind(end->socket(), "tcp://127.0.0.1:*") != 0 ||
      zmq_getsockopt(end->socket(), ZMQ_LAST_ENDPOINT, endpoint.data(),
                     &size) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen: ", zmq_strerror(errno)));
  }
  PingDoor door;
  door.endpoint = endpoint.data();
  door.end = std::move(end);
  return door;
}

absl::StatusOr<std::unique_ptr<PingEnd>> DialBareZmq(
    ZmqContext& context, const std::string& endpoint) {
  SHOAL_ASSIGN_OR_RETURN(void* const socket, BareZmqSockets::OpenPair(context));
  auto end = std::make_unique<BareZmq>(socket);
  if (zmq_connect(end->socket(), endpoint.c_str()) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot dial: ", zmq_strerror(errno)));
  }
  return end;
}

}  // namespace shoal::transport

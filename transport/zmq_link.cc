#include "transport/zmq_link.h"

#include <poll.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "security/key_derivation.h"
#include "transport/hello.h"

namespace shoal::transport {
namespace {

constexpr absl::Duration kHandshakeTime = absl::Seconds(5);
constexpr absl::Duration kLookAgain = absl::Milliseconds(1);
// What CURVE adds to a message at most: command name, nonce, flags, tag.
constexpr int64_t kCurveExtraBytes = 64;
constexpr int kAcceptEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED;
constexpr int kDialEvents =
    ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
    ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
    ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

absl::Status SocketError(absl::string_view what, int error) {
  const std::string text = absl::StrCat(what, ": ", zmq_strerror(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    case EINVAL:
    case ENODEV:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO:
      return absl::InvalidArgumentError(text);
    default:
      return absl::UnavailableError(text);
  }
}

// Readable when libzmq has news for the thread that uses the socket.
int DescriptorOf(void* socket) {
  int fd = -1;
  size_t size = sizeof(fd);
  SHOAL_CHECK(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0);
  return fd;
}

// With values of our own choosing it cannot fail.
template <typename T>
void SetOption(void* socket, int option, T value) {
  const int rc = zmq_setsockopt(socket, option, &value, sizeof(value));
  SHOAL_CHECK(rc == 0, "ZeroMQ option ", option, ": ", zmq_strerror(errno));
}

}  // namespace

class ZmqLink::Message {
 public:
  Message() { zmq_msg_init(&raw_); }
  explicit Message(size_t size) {
    SHOAL_CHECK(zmq_msg_init_size(&raw_, size) == 0, "out of memory: ", size);
  }
  ~Message() { zmq_msg_close(&raw_); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  std::span<std::byte> bytes() {
    return {static_cast<std::byte*>(zmq_msg_data(&raw_)), zmq_msg_size(&raw_)};
  }
  // Frees what it held. False: nothing there.
  bool Receive(void* socket) {
    return zmq_msg_recv(&raw_, socket, ZMQ_DONTWAIT) >= 0;
  }
  bool Send(void* socket) {
    return zmq_msg_send(&raw_, socket, ZMQ_DONTWAIT) >= 0;
  }
  bool more() { return zmq_msg_more(&raw_) != 0; }
  int connection_fd() { return zmq_msg_get(&raw_, ZMQ_SRCFD); }

 private:
  zmq_msg_t raw_;
};

ZmqLink::ZmqLink(ZmqContext& context, const LinkOptions& options,
                 bool listening)
    : context_(context),
      options_(options),
      listening_(listening),
      body_(std::make_unique<Message>()) {}

ZmqLink::~ZmqLink() {
  if (socket_ == nullptr) return;
  // First the monitor, which would wait for a reader of its events.
  zmq_socket_monitor(socket_, nullptr, 0);
  if (monitor_ != nullptr) zmq_close(monitor_);
  zmq_close(socket_);
}

absl::StatusOr<std::unique_ptr<ZmqLink>> ZmqLink::Listen(
    ZmqContext& context, const LinkOptions& options) {
  std::unique_ptr<ZmqLink> link(
      new ZmqLink(context, options, /*listening=*/true));
  SHOAL_RETURN_IF_ERROR(link->Open(ZMQ_ROUTER));
  SHOAL_RETURN_IF_ERROR(link->Seal());
  SetOption(link->socket_, ZMQ_ROUTER_MANDATORY, 1);
  const std::string address =
      absl::StrCat("tcp://", options.network.bind_address, ":*");
  SetOption(link->socket_, ZMQ_IPV6, absl::StrContains(address, '[') ? 1 : 0);
  if (zmq_bind(link->socket_, address.c_str()) != 0)
    return SocketError(absl::StrCat("cannot listen at ", address), errno);
  std::array<char, 256> bound{};
  size_t size = bound.size();
  SHOAL_CHECK(zmq_getsockopt(link->socket_, ZMQ_LAST_ENDPOINT, bound.data(),
                             &size) == 0);
  link->endpoint_ = bound.data();
  return link;
}

absl::StatusOr<std::unique_ptr<ZmqLink>> ZmqLink::Dial(
    ZmqContext& context, const LinkOptions& options,
    const std::string& endpoint) {
  // libzmq's other transports (ipc, inproc, multicast) are none of ours, and it
  // takes port 70000 for 4464.
  SHOAL_RETURN_IF_ERROR(ParseEndpoint(endpoint).status());
  std::unique_ptr<ZmqLink> link(
      new ZmqLink(context, options, /*listening=*/false));
  link->endpoint_ = endpoint;
  SHOAL_RETURN_IF_ERROR(link->Open(ZMQ_DEALER));
  SHOAL_RETURN_IF_ERROR(link->Seal());
  SetOption(link->socket_, ZMQ_RECONNECT_IVL, -1);
  SetOption(link->socket_, ZMQ_IPV6, absl::StrContains(endpoint, '[') ? 1 : 0);
  if (zmq_connect(link->socket_, endpoint.c_str()) != 0)
    return SocketError(absl::StrCat("cannot be dialled at ", endpoint), errno);
  return link;
}

absl::Status ZmqLink::Open(int socket_type) {
  socket_ = zmq_socket(context_.handle_, socket_type);
  if (socket_ == nullptr) return SocketError("cannot open a socket", errno);
  socket_fd_ = DescriptorOf(socket_);
  const NetworkOptions& network = options_.network;
  const int high_water_mark = static_cast<int>(network.high_water_mark);
  SetOption(socket_, ZMQ_LINGER, 0);
  SetOption(socket_, ZMQ_SNDHWM, high_water_mark);
  SetOption(socket_, ZMQ_RCVHWM, high_water_mark);
  SetOption(
      socket_, ZMQ_MAXMSGSIZE,
      static_cast<int64_t>(std::max<uint64_t>(
          kFrameHeaderBytes + network.payload_bytes_max, kHelloFrameBytesMax)) +
          kCurveExtraBytes);
  SetOption(socket_, ZMQ_HANDSHAKE_IVL,
            static_cast<int>(absl::ToInt64Milliseconds(kHandshakeTime)));
  // Not ZeroMQ's heartbeats: those wait behind a large frame on a slow link and
  // then declare a busy peer dead. The kernel's probes do not.
  const int silence_s = static_cast<int>(
      std::max<int64_t>(2, absl::ToInt64Seconds(network.silence_max)));
  SetOption(socket_, ZMQ_TCP_KEEPALIVE, 1);
  SetOption(socket_, ZMQ_TCP_KEEPALIVE_IDLE, silence_s / 2);
  SetOption(socket_, ZMQ_TCP_KEEPALIVE_INTVL, 1);
  SetOption(socket_, ZMQ_TCP_KEEPALIVE_CNT, silence_s - silence_s / 2);
  SetOption(socket_, ZMQ_TCP_MAXRT, 1000 * silence_s);
  return OpenMonitor();
}

// By CURVE, with a key pair for the listening end that both know, because it
// comes from the epoch's secret. Who does not know the listener's public key,
// which is never sent, gets nowhere; that both are the right ranks is shown by
// the hello, inside.
absl::Status ZmqLink::Seal() {
  if (!options_.network.seal_secret) return absl::OkStatus();
  if (zmq_has("curve") != 1) {
    return absl::UnimplementedError(
        "this libzmq was built without CURVE and cannot encrypt; choose "
        "--transport tcp");
  }
  const security::SecretKey listener = security::DeriveKey(
      *options_.network.seal_secret, {}, "shoal data link, CURVE listener");
  // Keys as text, with the 0 at its end.
  std::array<char, 41> secret{};
  std::array<char, 41> known{};
  SHOAL_CHECK(zmq_z85_encode(secret.data(), listener.data(), listener.size()) !=
                  nullptr &&
              zmq_curve_public(known.data(), secret.data()) == 0);
  if (listening_) {
    SetOption(socket_, ZMQ_CURVE_SERVER, 1);
    SetOption(socket_, ZMQ_CURVE_SECRETKEY, secret);
    return absl::OkStatus();
  }
  SetOption(socket_, ZMQ_CURVE_SERVERKEY, known);
  SHOAL_CHECK(zmq_curve_keypair(known.data(), secret.data()) == 0);
  SetOption(socket_, ZMQ_CURVE_PUBLICKEY, known);
  SetOption(socket_, ZMQ_CURVE_SECRETKEY, secret);
  return absl::OkStatus();
}

absl::Status ZmqLink::OpenMonitor() {
  const std::string address =
      absl::StrCat("inproc://shoal-monitor-", ++context_.monitor_count_);
  if (zmq_socket_monitor(socket_, address.c_str(),
                         listening_ ? kAcceptEvents : kDialEvents) != 0) {
    return SocketError("cannot watch a socket", errno);
  }
  monitor_ = zmq_socket(context_.handle_, ZMQ_PAIR);
  if (monitor_ == nullptr) return SocketError("cannot open a socket", errno);
  SetOption(monitor_, ZMQ_LINGER, 0);
  // The I/O thread must never wait for us to read events.
  SetOption(monitor_, ZMQ_RCVHWM, 0);
  if (zmq_connect(monitor_, address.c_str()) != 0)
    return SocketError("cannot watch a socket", errno);
  monitor_fd_ = DescriptorOf(monitor_);
  ReadMonitor();
  return absl::OkStatus();
}

void ZmqLink::KeepPeer() {
  SHOAL_CHECK(listening_ && peer_route_.empty() && !sender_route_.empty());
  // What the monitor said so far is about earlier connections, or about this
  // one's beginning; the last event of a descriptor decides.
  peer_route_ = sender_route_;
  peer_fd_ = sender_fd_;
  ReadMonitor();
}

absl::Status ZmqLink::GoneError() const {
  if (listening_ || established_)
    return absl::UnavailableError("closed its end of the link or vanished");
  return absl::UnavailableError(
      absl::StrCat("cannot be reached at ", endpoint_,
                   options_.network.seal_secret
                       ? ", or does not have the key of this plan's links"
                       : ""));
}

absl::Status ZmqLink::Send(std::span<const std::byte> head,
                           std::span<const std::byte> tail,
                           absl::Time deadline) {
  Message message(head.size() + tail.size());
  std::copy(head.begin(), head.end(), message.bytes().begin());
  std::copy(tail.begin(), tail.end(), message.bytes().begin() + head.size());
  const std::string& route = peer_route_.empty() ? sender_route_ : peer_route_;
  for (;;) {
    if (options_.abort->aborted()) return absl::CancelledError();
    if (gone_) return GoneError();
    if ((!listening_ || zmq_send(socket_, route.data(), route.size(),
                                 ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) &&
        message.Send(socket_)) {
      return absl::OkStatus();
    }
    if (errno == EHOSTUNREACH) {
      return absl::UnavailableError("closed its end of the link or vanished");
    }
    if (errno != EAGAIN && errno != EINTR)
      return SocketError("cannot be sent to", errno);
    // Room that comes between the attempt and the look at events would not be
    // told again: try once more after a moment.
    const absl::Time later = absl::Now() + kLookAgain;
    const absl::Status waited = WaitForRoom(std::min(later, deadline));
    if (!waited.ok() && absl::Now() >= deadline) return waited;
  }
}

absl::StatusOr<std::span<std::byte>> ZmqLink::Receive(absl::Time deadline) {
  for (;;) {
    if (options_.abort->aborted()) return absl::CancelledError();
    // Before the news that the peer is gone come the frames that it sent.
    const bool gone = gone_;
    if (TryReceive()) return view_;
    if (gone) return GoneError();
    SHOAL_RETURN_IF_ERROR(Wait(deadline));
  }
}

// OK: something happened. libzmq's descriptors tell of changes alone: poll(2)
// may wait for one only after the socket was found with nothing to do, as a
// receive finds it. zmq_poll() would look at each socket again, before and
// after, which costs several system calls.
absl::Status ZmqLink::Wait(absl::Time deadline) {
  const bool late = absl::Now() >= deadline;
  std::array<pollfd, 3> items = {{
      {monitor_fd_, POLLIN, 0},
      {options_.wake->fd(), POLLIN, 0},
      {socket_fd_, POLLIN, 0},
  }};
  const int ready =
      poll(items.data(), items.size(), PollMilliseconds(deadline));
  if (ready > 0 && items[0].revents != 0) ReadMonitor();
  if (ready == 0 && late) return absl::DeadlineExceededError("");
  return absl::OkStatus();
}

absl::Status ZmqLink::WaitForRoom(absl::Time deadline) {
  // A send that fails may have left news unread; asking for events reads them.
  int events = 0;
  size_t size = sizeof(events);
  zmq_getsockopt(socket_, ZMQ_EVENTS, &events, &size);
  return Wait(deadline);
}

bool ZmqLink::TryReceive() {
  for (;;) {
    if (listening_) {
      Message route;
      if (!route.Receive(socket_)) return false;
      const auto bytes = route.bytes();
      sender_route_.assign(reinterpret_cast<const char*>(bytes.data()),
                           bytes.size());
    }
    // The parts of a message arrive together.
    if (!body_->Receive(socket_)) return false;
    const bool several = body_->more();
    if (several) {
      Message rest;
      do {
        rest.Receive(socket_);
      } while (rest.more());
    }
    if (listening_) sender_fd_ = body_->connection_fd();
    if (!peer_route_.empty() && sender_route_ != peer_route_) continue;
    view_ = several ? std::span<std::byte>() : body_->bytes();
    break;
  }
  if (reinterpret_cast<uintptr_t>(view_.data()) % sizeof(uint64_t) != 0) {
    // Only small messages lie in libzmq's shared read buffer.
    aligned_.resize((view_.size() + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    std::memcpy(aligned_.data(), view_.data(), view_.size());
    view_ = std::as_writable_bytes(std::span(aligned_)).first(view_.size());
  }
  return true;
}

void ZmqLink::ReadMonitor() {
  Message event;
  while (event.Receive(monitor_)) {
    const auto bytes = event.bytes();
    uint16_t id = 0;
    uint32_t value = 0;
    if (bytes.size() == sizeof(id) + sizeof(value)) {
      std::memcpy(&id, bytes.data(), sizeof(id));
      std::memcpy(&value, bytes.data() + sizeof(id), sizeof(value));
    }
    while (event.more()) event.Receive(monitor_);  // the address
    OnEvent(id, static_cast<int>(value));
  }
}

void ZmqLink::OnEvent(int event, int value) {
  if (!listening_) {
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
      established_ = true;
    else if ((event & kDialEvents) != 0)
      gone_ = true;
  } else if (!peer_route_.empty() && value == peer_fd_) {
    gone_ = event == ZMQ_EVENT_DISCONNECTED;
  }
}

}  // namespace shoal::transport

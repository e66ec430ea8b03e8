#include "transport/tcp_socket.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::transport {
namespace {

constexpr int kSocketType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
// Strangers among them; who finds no place tries again by himself.
constexpr int kBacklog = 16;

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressList Resolve(const char* host, const char* port, int flags, int& error) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  error = getaddrinfo(host, port, &hints, &found);
  return {error == 0 ? found : nullptr, &freeaddrinfo};
}

// The numeric address of an interface, IPv4 before IPv6; empty: there is none.
std::string AddressOfInterface(const std::string& name) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "";
  std::string found;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* i = list; i != nullptr && found.empty();
         i = i->ifa_next) {
      if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != family ||
          name != i->ifa_name) {
        continue;
      }
      std::array<char, NI_MAXHOST> text{};
      const socklen_t size =
          family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      if (getnameinfo(i->ifa_addr, size, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
        found = text.data();
      }
    }
  }
  freeifaddrs(list);
  return found;
}

template <typename T>
void SetOption(int fd, int level, int option, T value) {
  // Best effort: without them a link is slow or slow to notice, but right.
  [[maybe_unused]] const int rc =
      setsockopt(fd, level, option, &value, sizeof(value));
}

// What became of a connect() that is under way. OK: connected.
absl::Status AwaitConnected(int fd, const LinkOptions& options,
                            absl::Time deadline) {
  for (;;) {
    if (options.abort->aborted()) return absl::CancelledError();
    std::array<pollfd, 2> items = {
        {{fd, POLLOUT, 0}, {options.wake->fd(), POLLIN, 0}}};
    const bool late = absl::Now() >= deadline;
    poll(items.data(), items.size(), PollMilliseconds(deadline));
    if (items[0].revents != 0) break;
    if (late) return absl::DeadlineExceededError("");
  }
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : SocketError("", error);
}

}  // namespace

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

absl::Status SocketError(absl::string_view what, int error) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return absl::ResourceExhaustedError(text);
    case EINVAL:
    case EAFNOSUPPORT:
      return absl::InvalidArgumentError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::StatusOr<UniqueFd> ListenTcp(const std::string& address) {
  const std::string what =
      absl::StrCat("cannot listen at tcp://", address, ":*");
  absl::string_view bare = address;
  if (absl::ConsumePrefix(&bare, "[")) absl::ConsumeSuffix(&bare, "]");
  std::string host(bare);
  if (host == "*" || host.empty()) host = "0.0.0.0";
  int error = 0;
  AddressList list =
      Resolve(host.c_str(), "0", AI_PASSIVE | AI_NUMERICHOST, error);
  if (list == nullptr) {
    const std::string found = AddressOfInterface(host);
    if (!found.empty()) {
      list = Resolve(found.c_str(), "0", AI_PASSIVE | AI_NUMERICHOST, error);
    }
  }
  if (list == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": neither an address nor an interface here"));
  }
  UniqueFd fd(socket(list->ai_family, kSocketType, 0));
  if (!fd.valid()) return SocketError("cannot open a socket", errno);
  if (bind(fd.get(), list->ai_addr, list->ai_addrlen) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    return SocketError(what, errno);
  }
  return fd;
}

std::string EndpointOf(int fd) {
  sockaddr_storage address = {};
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  SHOAL_CHECK(getsockname(fd, generic, &size) == 0);
  SHOAL_CHECK(getnameinfo(generic, size, host.data(), host.size(), port.data(),
                          port.size(), NI_NUMERICHOST | NI_NUMERICSERV) == 0);
  return address.ss_family == AF_INET6
             ? absl::StrCat("tcp://[", host.data(), "]:", port.data())
             : absl::StrCat("tcp://", host.data(), ":", port.data());
}

absl::StatusOr<UniqueFd> DialTcp(const LinkOptions& options,
                                 const std::string& endpoint,
                                 absl::Time deadline) {
  SHOAL_ASSIGN_OR_RETURN(const LinkAddress address, ParseEndpoint(endpoint));
  const std::string what = absl::StrCat("cannot be reached at ", endpoint);
  int error = 0;
  const AddressList list =
      Resolve(address.host.c_str(), address.port.c_str(), 0, error);
  if (list == nullptr) {
    return absl::UnavailableError(
        absl::StrCat(what, ": ", gai_strerror(error)));
  }
  absl::Status status;
  for (const addrinfo* to = list.get(); to != nullptr; to = to->ai_next) {
    UniqueFd fd(socket(to->ai_family, kSocketType, 0));
    if (!fd.valid()) {
      status = SocketError("cannot be dialled: no socket", errno);
      continue;
    }
    SetUpTcp(fd.get(), options.network);
    if (connect(fd.get(), to->ai_addr, to->ai_addrlen) == 0) return fd;
    status = errno == EINPROGRESS || errno == EINTR
                 ? AwaitConnected(fd.get(), options, deadline)
                 : SocketError("", errno);
    if (status.ok()) return fd;
    if (absl::IsCancelled(status) || absl::IsDeadlineExceeded(status))
      return status;
  }
  return absl::Status(status.code(), absl::StrCat(what, status.message()));
}

void SetUpTcp(int fd, const NetworkOptions& options) {
  const int silence_s = static_cast<int>(
      std::max<int64_t>(2, absl::ToInt64Seconds(options.silence_max)));
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, silence_s / 2);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, silence_s - silence_s / 2);
}

bool SilenceWatch::IsSilent(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  // An acknowledgement ends the count of retransmissions.
  if (info.tcpi_unacked == 0 || info.tcpi_retransmits == 0) {
    since_ = absl::InfiniteFuture();
    return false;
  }
  since_ = std::min(since_, absl::Now());
  return absl::Now() - since_ >= silence_max_ - kInterval;
}

}  // namespace shoal::transport

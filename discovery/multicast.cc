#include "discovery/multicast.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "discovery/offer.h"

namespace shoal::discovery {
namespace {

using transport::SocketError;
using transport::UniqueFd;

// No further than the link.
constexpr int kHops = 1;

bool Set(int socket, int option, int value) {
  return setsockopt(socket, IPPROTO_IP, option, &value, sizeof(value)) == 0;
}

// What belongs to a datagram besides its bytes.
union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
};

}  // namespace

std::vector<Interface> Interfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  std::vector<Interface> found;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET ||
        (i->ifa_flags & IFF_UP) == 0 ||
        (i->ifa_flags & (IFF_MULTICAST | IFF_LOOPBACK)) == 0) {
      continue;
    }
    const auto index = static_cast<int>(if_nametoindex(i->ifa_name));
    sockaddr_in address;
    std::memcpy(&address, i->ifa_addr, sizeof(address));
    if (index > 0) found.push_back({index, address.sin_addr});
  }
  freeifaddrs(list);
  return found;
}

absl::StatusOr<UniqueFd> OpenUdp(in_addr address, uint16_t port,
                                 bool is_shared) {
  UniqueFd file(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!file.valid()) return SocketError("no UDP socket", errno);
  const int on = 1;
  if (is_shared &&
      setsockopt(file.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
    return SocketError("UDP socket", errno);
  }
  // Of groups that others on this machine have joined nothing comes.
  if (!Set(file.get(), IP_TTL, kHops) ||
      !Set(file.get(), IP_MULTICAST_TTL, kHops) ||
      !Set(file.get(), IP_MULTICAST_ALL, 0) ||
      !Set(file.get(), IP_PKTINFO, 1)) {
    return SocketError("UDP socket", errno);
  }
  sockaddr_in own = {};
  own.sin_family = AF_INET;
  own.sin_addr = address;
  own.sin_port = htons(port);
  if (bind(file.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) !=
      0) {
    return SocketError(absl::StrCat("UDP port ", port), errno);
  }
  return file;
}

in_addr GroupAddress() {
  in_addr group = {};
  SHOAL_CHECK(inet_pton(AF_INET, kGroupAddress, &group) == 1);
  return group;
}

absl::Status JoinGroup(int socket, int interface_index) {
  ip_mreqn request = {};
  request.imr_multiaddr = GroupAddress();
  request.imr_ifindex = interface_index;
  if (setsockopt(socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request,
                 sizeof(request)) == 0 ||
      errno == EADDRINUSE) {
    return absl::OkStatus();
  }
  return SocketError(absl::StrCat("multicast group ", kGroupAddress), errno);
}

absl::StatusOr<sockaddr_in> OwnAddress(int socket) {
  sockaddr_in own = {};
  socklen_t size = sizeof(own);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) == 0) {
    return own;
  }
  return absl::InternalError(
      absl::StrCat("a socket without address: ", std::strerror(errno)));
}

std::optional<Arrival> ReceiveFrom(int socket, std::span<std::byte> buffer) {
  Arrival arrival;
  Control control = {};
  iovec piece = {buffer.data(), buffer.size()};
  msghdr message = {};
  message.msg_name = &arrival.from;
  message.msg_namelen = sizeof(arrival.from);
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  const ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT);
  if (got < 0 || (message.msg_flags & MSG_TRUNC) != 0) return std::nullopt;
  arrival.bytes = static_cast<size_t>(got);
  for (cmsghdr* i = CMSG_FIRSTHDR(&message); i != nullptr;
       i = CMSG_NXTHDR(&message, i)) {
    if (i->cmsg_level != IPPROTO_IP || i->cmsg_type != IP_PKTINFO) continue;
    in_pktinfo facts;
    std::memcpy(&facts, CMSG_DATA(i), sizeof(facts));
    arrival.interface_index = facts.ipi_ifindex;
  }
  return arrival;
}

absl::Status SendThrough(int socket, std::span<const std::byte> datagram,
                         const sockaddr_in& to, int interface_index,
                         in_addr source) {
  Control control = {};
  sockaddr_in receiver = to;
  // sendmsg() only reads it.
  iovec piece = {const_cast<std::byte*>(datagram.data()), datagram.size()};
  msghdr message = {};
  message.msg_name = &receiver;
  message.msg_namelen = sizeof(receiver);
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo facts = {};
  facts.ipi_ifindex = interface_index;
  facts.ipi_spec_dst = source;
  std::memcpy(CMSG_DATA(header), &facts, sizeof(facts));
  if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
    return absl::OkStatus();
  }
  return SocketError("a UDP datagram", errno);
}

}  // namespace shoal::discovery

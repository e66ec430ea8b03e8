// The system calls of multicast over IPv4.

#ifndef SHOAL_DISCOVERY_MULTICAST_H_
#define SHOAL_DISCOVERY_MULTICAST_H_

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/tcp_socket.h"

namespace shoal::discovery {

// One address of one interface that is up: one with multicast, or loopback.
struct Interface {
  int index = 0;
  in_addr address = {};
};
// Empty where there is none, or the system does not tell.
std::vector<Interface> Interfaces();

// A socket at a port, or any (0), of `address`, whose datagrams go no further
// than the link; ReceiveFrom() tells their interface. Does not block.
// Errors: as transport::SocketError()
absl::StatusOr<transport::UniqueFd> OpenUdp(in_addr address, uint16_t port,
                                            bool is_shared);

in_addr GroupAddress();

// Not an error where it is one already.
// Errors: as transport::SocketError()
absl::Status JoinGroup(int socket, int interface_index);

// The address of a port. Errors: kInternal
absl::StatusOr<sockaddr_in> OwnAddress(int socket);

struct Arrival {
  size_t bytes = 0;
  sockaddr_in from = {};
  int interface_index = 0;
};
// What is there, in `buffer`. None: nothing, or a datagram that is longer.
std::optional<Arrival> ReceiveFrom(int socket, std::span<std::byte> buffer);

// Through an interface, from `source` or, if that is 0.0.0.0, its own address.
// Errors: as transport::SocketError()
absl::Status SendThrough(int socket, std::span<const std::byte> datagram,
                         const sockaddr_in& to, int interface_index,
                         in_addr source);

}  // namespace shoal::discovery

#endif  // SHOAL_DISCOVERY_MULTICAST_H_

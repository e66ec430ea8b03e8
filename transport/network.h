// How one rank builds its links for one epoch; the transports implement it.

#ifndef SHOAL_TRANSPORT_NETWORK_H_
#define SHOAL_TRANSPORT_NETWORK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "security/key_derivation.h"
#include "transport/channel_group.h"

namespace shoal::transport {

// A secret that the coordinator draws for each epoch and hands to its ranks
// over the control plane. Who does not show it gets no link.
using LinkKey = std::array<std::byte, 16>;

struct NetworkOptions {
  uint32_t rank = 0;   // own; < kRankLimit
  uint64_t epoch = 0;  // of the plan
  // The ranks to link with, and their device names. Not the own one.
  std::map<uint32_t, std::string> peers;
  LinkKey link_key = {};
  // Encrypts and authenticates the links, with keys that come from this: the
  // same on all ranks, and never used for two epochs. In memory: not used.
  std::optional<security::SecretKey> seal_secret;
  std::string bind_address = "127.0.0.1";  // or "[::1]", "0.0.0.0", "eth0"
  // What peers dial; empty: bind_address. Needed where that is a wildcard.
  std::string advertised_address;
  // Largest payload, both ways, <= kPayloadBytesLimit. The same on all ranks.
  uint64_t payload_bytes_max = uint64_t{1} << 20;
  // Frames that wait at each end of a link, per direction; >= 1. Buffers hold
  // at most 2 * high_water_mark * payload_bytes_max each way.
  uint32_t high_water_mark = 16;
  // For processes of one user on one machine, in both: each direction of a link
  // has so much memory that both see, for messages of 64 KiB and more
  // (shared_link.h). 0: none. Not used in memory, by ZeroMQ, and where links are
  // sealed.
  size_t shared_bytes = 0;
  // A host that answers nothing for this long is gone; >= 2 s, in whole
  // seconds. In memory: not used.
  absl::Duration silence_max = absl::Seconds(4);
  // See Channel::set_polling_time(); 0 to 1 s.
  absl::Duration polling_time = absl::Microseconds(50);
};

// Two steps, because addresses travel over the control plane: every rank calls
// Listen(), the coordinator collects the endpoints, every rank calls Connect().
// For each link the lower rank listens and the higher one dials, so a worker
// behind NAT needs no reachable port towards rank 0.
//
// Threads:  thread-compatible. One Network makes one group.
class Network {
 public:
  virtual ~Network() = default;

  // Opens this rank's ends. Returns, for each peer of a higher rank, where that
  // peer shall dial.
  // REQUIRES: called once.
  // Errors:
  //   kInvalidArgument     options out of range; the message names the field
  //   kUnavailable         the address cannot be bound
  //   kResourceExhausted   too many sockets or files
  virtual absl::StatusOr<std::map<uint32_t, std::string>> Listen() = 0;

  // Links with every peer: dials those of lower rank at `endpoints` (further
  // entries are ignored), waits for those of higher rank. Both ends of a link
  // show rank, epoch, limits and link key before this returns. Strangers that
  // dial in are turned away and do not disturb.
  // REQUIRES: called once, after Listen().
  // Errors; messages name the peer's rank and device:
  //   kInvalidArgument     an endpoint is missing or malformed, or the peer has
  //                        another payload_bytes_max
  //   kDeadlineExceeded    a peer did not come, or did not answer
  //   kUnavailable         a peer cannot be reached, or closed its end
  //   kPermissionDenied    a peer refused our link key, or showed a wrong one
  //   kUnimplemented       Listen(): sealed links cannot be had here
  //   kFailedPrecondition  a peer is at another epoch or protocol version
  virtual absl::StatusOr<std::unique_ptr<ChannelGroup>> Connect(
      const std::map<uint32_t, std::string>& endpoints,
      absl::Time deadline) = 0;
};

// Errors: kInvalidArgument  a field is out of its range
absl::Status CheckOptions(const NetworkOptions& options);

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_NETWORK_H_

// Answers whoever asks the network for coordinators.

#ifndef SHOAL_DISCOVERY_OFFERER_H_
#define SHOAL_DISCOVERY_OFFERER_H_

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "discovery/offer.h"
#include "transport/tcp_socket.h"
#include "transport/wake_event.h"

namespace shoal::discovery {

// Answers questions that come through the interface whose address the
// coordinator listens at, or any where it listens at all, from that address.
// Several may share a machine and a port. What is no question is ignored.
//
// Limits:  kAnswersPerSecond, whoever asks; an answer is not longer than its
//          question and, like it, goes no further than the link.
// Threads: thread-compatible; owns one thread.
class Offerer {
 public:
  static constexpr int kAnswersPerSecond = 20;

  struct Options {
    Offer offer;
    std::string listen_host;  // a name, or an address of IPv4; IPv6: only "::"
    uint16_t udp_port = kOfferPort;  // 0: any
  };

  // Errors: kInvalidArgument  the host is another address of IPv6, or of no
  //                           interface of this machine
  //         kUnavailable      the port is taken, or there is no multicast here
  //         as transport::SocketError()
  static absl::StatusOr<std::unique_ptr<Offerer>> Start(Options options);
  ~Offerer();
  Offerer(const Offerer&) = delete;
  Offerer& operator=(const Offerer&) = delete;

  uint16_t udp_port() const { return udp_port_; }

 private:
  Offerer(Offer offer, in_addr host, transport::UniqueFd socket,
          uint16_t udp_port, std::shared_ptr<transport::WakeEvent> wake);
  // Those that came up since are asked through from now on.
  absl::Status JoinInterfaces() const;
  void Serve() const;

  const Offer offer_;
  const in_addr host_;  // 0.0.0.0: all
  const transport::UniqueFd socket_;
  const uint16_t udp_port_;
  const std::shared_ptr<transport::WakeEvent> wake_;  // set: end
  std::thread thread_;
};

}  // namespace shoal::discovery

#endif  // SHOAL_DISCOVERY_OFFERER_H_

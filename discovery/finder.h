// Asks the network for coordinators.

#ifndef SHOAL_DISCOVERY_FINDER_H_
#define SHOAL_DISCOVERY_FINDER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "discovery/offer.h"

namespace shoal::discovery {

struct FoundOffer {
  std::string host;  // a numeric address of IPv4, from which the answer came
  Offer offer;

  bool operator==(const FoundOffer&) const = default;
};

struct FindOptions {
  absl::Duration time = absl::Seconds(2);
  uint16_t udp_port = kOfferPort;
};

// More are dropped.
inline constexpr size_t kFoundMax = 64;

// Asks through every interface, loopback too, again and again for
// `options.time`, and gives what answered: by name, host and port, each once.
// Nothing of it is checked, and nothing is dialled.
// Errors: kUnavailable  there is no interface to ask through
//         as transport::SocketError()
absl::StatusOr<std::vector<FoundOffer>> FindOffers(const FindOptions& options);

}  // namespace shoal::discovery

#endif  // SHOAL_DISCOVERY_FINDER_H_

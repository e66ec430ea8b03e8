// Links ranks that live as threads of one test process.

#ifndef SHOAL_TESTS_TESTING_CONNECT_RANKS_H_
#define SHOAL_TESTS_TESTING_CONNECT_RANKS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/network.h"

namespace shoal::testing {

using NetworkMaker = std::function<std::unique_ptr<transport::Network>(
    const transport::NetworkOptions&)>;

// Options for `rank` of `rank_count` ranks that all link with each other. The
// device of rank r is called "device-r".
transport::NetworkOptions OptionsForRank(uint32_t rank, uint32_t rank_count);

// Carries the endpoints between the networks, as a control plane would, and
// connects all of them at once. Element r is the group of networks[r].
// Errors: the first that any rank met
absl::StatusOr<std::vector<std::unique_ptr<transport::ChannelGroup>>>
ConnectRanks(const std::vector<std::unique_ptr<transport::Network>>& networks);

// Makes and connects `rank_count` networks with OptionsForRank(), changed by
// `adjust` where given.
absl::StatusOr<std::vector<std::unique_ptr<transport::ChannelGroup>>>
ConnectRanks(
    const NetworkMaker& make, uint32_t rank_count,
    const std::function<void(transport::NetworkOptions&)>& adjust = {});

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_TESTING_CONNECT_RANKS_H_

#include "tests/testing/connect_ranks.h"

#include <map>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace shoal::testing {

using transport::ChannelGroup;
using transport::Network;
using transport::NetworkOptions;

NetworkOptions OptionsForRank(uint32_t rank, uint32_t rank_count) {
  NetworkOptions options;
  options.rank = rank;
  options.epoch = 7;
  for (uint32_t peer = 0; peer < rank_count; ++peer) {
    if (peer != rank) options.peers[peer] = absl::StrCat("device-", peer);
  }
  options.link_key.fill(std::byte{0x5a});
  return options;
}

absl::StatusOr<std::vector<std::unique_ptr<ChannelGroup>>> ConnectRanks(
    const std::vector<std::unique_ptr<Network>>& networks) {
  // endpoints[dialer][listener]
  std::vector<std::map<uint32_t, std::string>> endpoints(networks.size());
  for (uint32_t listener = 0; listener < networks.size(); ++listener) {
    SHOAL_ASSIGN_OR_RETURN(auto opened, networks[listener]->Listen());
    for (auto& [dialer, endpoint] : opened)
      endpoints.at(dialer)[listener] = std::move(endpoint);
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  std::vector<absl::StatusOr<std::unique_ptr<ChannelGroup>>> results(
      networks.size());
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < networks.size(); ++rank) {
    threads.emplace_back([&, rank] {
      results[rank] = networks[rank]->Connect(endpoints[rank], deadline);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::unique_ptr<ChannelGroup>> groups;
  for (auto& result : results) {
    SHOAL_ASSIGN_OR_RETURN(auto group, std::move(result));
    groups.push_back(std::move(group));
  }
  return groups;
}

absl::StatusOr<std::vector<std::unique_ptr<ChannelGroup>>> ConnectRanks(
    const NetworkMaker& make, uint32_t rank_count,
    const std::function<void(NetworkOptions&)>& adjust) {
  std::vector<std::unique_ptr<Network>> networks;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    NetworkOptions options = OptionsForRank(rank, rank_count);
    if (adjust) adjust(options);
    networks.push_back(make(options));
  }
  return ConnectRanks(networks);
}

}  // namespace shoal::testing

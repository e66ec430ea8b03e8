#include "cli/bench_fleet.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "transport/tcp_network.h"
#include "transport/zmq_network.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(20);

}  // namespace

BenchFleet::~BenchFleet() {
  if (fleet_ != nullptr) fleet_->Stop(absl::Now() + absl::Seconds(2));
}

absl::Status BenchFleet::MakeNetworks(uint32_t rank) {
  SHOAL_ASSIGN_OR_RETURN(context_, transport::ZmqContext::Create());
  transport::NetworkOptions options;
  options.rank = rank;
  options.epoch = 1;
  options.payload_bytes_max = options_.payload_bytes_max;
  options.polling_time =
      options_.polls ? absl::Microseconds(500) : absl::ZeroDuration();
  if (rank > 0) options.peers[0] = "bench-0";
  for (uint32_t peer = 1; rank == 0 && peer < options_.rank_count; ++peer) {
    options.peers[peer] = absl::StrCat("bench-", peer);
  }
  for (const bool sealed : {false, true}) {
    if (sealed && !options_.seals) continue;
    if (sealed) options.seal_secret.emplace();
    networks_[{parallel::Transport::kTcp, sealed}] =
        std::make_unique<transport::TcpNetwork>(options);
    networks_[{parallel::Transport::kZmq, sealed}] =
        std::make_unique<transport::ZmqNetwork>(*context_, options);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<uint32_t, std::string>> BenchFleet::Listen() {
  SHOAL_RETURN_IF_ERROR(MakeNetworks(0));
  std::map<uint32_t, std::string> peers;
  for (uint32_t rank = 1; rank < options_.rank_count; ++rank) {
    peers[rank] = absl::StrCat(rank);
  }
  for (auto& [kind, network] : networks_) {
    SHOAL_ASSIGN_OR_RETURN(const auto endpoints, network->Listen());
    for (auto& [rank, peer] : peers) {
      absl::StrAppend(&peer, ",", endpoints.at(rank));
    }
  }
  for (const parallel::Transport transport : kTransports) {
    SHOAL_ASSIGN_OR_RETURN(transport::PingDoor door,
                           transport == parallel::Transport::kTcp
                               ? transport::ListenForBareTcp(options_.polls)
                               : transport::ListenForBareZmq(*context_));
    absl::StrAppend(&peers.at(1), ",", door.endpoint);
    bare_[transport] = std::move(door.end);
  }
  return peers;
}

absl::Status BenchFleet::Start() {
  SHOAL_ASSIGN_OR_RETURN(const auto peers, Listen());
  LocalFleet::Options fleet;
  for (const auto& [rank, peer] : peers) {
    LocalWorker worker;
    worker.name = absl::StrCat("bench-", rank);
    worker.arguments = options_.arguments;
    worker.arguments.push_back("--peer");
    worker.arguments.push_back(peer);
    fleet.workers.push_back(std::move(worker));
  }
  SHOAL_ASSIGN_OR_RETURN(fleet_, LocalFleet::Start(std::move(fleet)));
  for (auto& [kind, network] : networks_) {
    SHOAL_ASSIGN_OR_RETURN(groups_[kind],
                           network->Connect({}, absl::Now() + kConnectTimeout));
  }
  return absl::OkStatus();
}

absl::Status BenchFleet::Join(const std::string& peer) {
  const std::vector<std::string> words = absl::StrSplit(peer, ',');
  const size_t bare = std::size(kTransports);
  const size_t links = bare * (options_.seals ? 2 : 1);
  uint32_t rank = 0;
  if (!absl::SimpleAtoi(words[0], &rank) || rank == 0 ||
      words.size() != 1 + links + (rank == 1 ? bare : 0)) {
    return absl::InvalidArgumentError("--peer is for our own use");
  }
  SHOAL_RETURN_IF_ERROR(MakeNetworks(rank));
  size_t word = 1;
  for (auto& [kind, network] : networks_) {
    SHOAL_RETURN_IF_ERROR(network->Listen().status());
    SHOAL_ASSIGN_OR_RETURN(
        groups_[kind],
        network->Connect({{0, words[word++]}}, absl::Now() + kConnectTimeout));
  }
  if (rank != 1) return absl::OkStatus();
  SHOAL_ASSIGN_OR_RETURN(bare_[parallel::Transport::kTcp],
                         transport::DialBareTcp(options_.polls, words[word++]));
  SHOAL_ASSIGN_OR_RETURN(bare_[parallel::Transport::kZmq],
                         transport::DialBareZmq(*context_, words[word]));
  return absl::OkStatus();
}

absl::Status BenchFleet::Part() {
  const absl::Time deadline = absl::Now() + kConnectTimeout;
  transport::FrameHeader farewell;
  farewell.type = transport::FrameType::kInput;
  for (auto& [kind, group] : groups_) {
    for (const uint32_t peer : group->peers()) {
      transport::Channel& channel = group->To(peer);
      SHOAL_RETURN_IF_ERROR(fleet_ != nullptr
                                ? channel.Send(farewell, {}, deadline)
                                : channel.Receive(deadline).status());
    }
  }
  return absl::OkStatus();
}

const char* NameOf(parallel::Transport transport) {
  return transport == parallel::Transport::kTcp ? "tcp" : "zmq";
}

Spread SpreadOf(std::vector<absl::Duration> times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

}  // namespace shoal::cli

// The other processes of `shoal bench net` and `shoal bench allreduce`.

#ifndef SHOAL_CLI_BENCH_FLEET_H_
#define SHOAL_CLI_BENCH_FLEET_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/local_fleet.h"
#include "parallel/rank.h"
#include "transport/channel_group.h"
#include "transport/network.h"
#include "transport/ping.h"
#include "transport/zmq_context.h"

namespace shoal::cli {

// Links between processes that this one starts, on loopback. What crosses them
// is of no worth, so the keys are no secret.
//
// Threads: thread-compatible; on the main thread (local_fleet.h).
class BenchFleet {
 public:
  struct Options {
    // This program's words without its name, for a child; what it shall dial
    // follows as the value of --peer.
    std::vector<std::string> arguments;
    uint32_t rank_count = 2;
    uint64_t payload_bytes_max = 0;
    bool polls = true;   // over TCP, the bare socket too
    bool seals = false;  // encrypted links beside the others
  };

  explicit BenchFleet(Options options) : options_(std::move(options)) {}
  ~BenchFleet();

  // Rank 0: starts the other ranks and links with them.
  absl::Status Start();
  // In a child: links with rank 0 by the value of --peer.
  absl::Status Join(const std::string& peer);
  // After the last exchange, in every rank: the others stay until rank 0 has
  // what they sent, which a rank that closes its links may lose.
  absl::Status Part();

  // REQUIRES: Start() or Join() was called.
  // `sealed` REQUIRES Options::seals.
  transport::ChannelGroup& channels(parallel::Transport transport,
                                    bool sealed = false) {
    return *groups_.at({transport, sealed});
  }
  bool has_bare() const { return !bare_.empty(); }
  // A bare socket of the same kind between ranks 0 and 1. REQUIRES: this is
  // one of them.
  transport::PingEnd& bare(parallel::Transport transport) {
    return *bare_.at(transport);
  }

 private:
  absl::Status MakeNetworks(uint32_t rank);
  // Returns the value of --peer by rank.
  absl::StatusOr<std::map<uint32_t, std::string>> Listen();

  using Kind = std::pair<parallel::Transport, bool>;  // sealed

  const Options options_;
  std::unique_ptr<transport::ZmqContext> context_;  // outlives the networks
  std::map<Kind, std::unique_ptr<transport::Network>> networks_;
  std::map<Kind, std::unique_ptr<transport::ChannelGroup>> groups_;
  std::map<parallel::Transport, std::unique_ptr<transport::PingEnd>> bare_;
  std::unique_ptr<LocalFleet> fleet_;
};

inline constexpr parallel::Transport kTransports[] = {
    parallel::Transport::kTcp, parallel::Transport::kZmq};

// "tcp", "zmq".
const char* NameOf(parallel::Transport transport);

// The times' middle, and the one that 1 % of them exceed. REQUIRES: not empty.
struct Spread {
  absl::Duration median;
  absl::Duration p99;
};
Spread SpreadOf(std::vector<absl::Duration> times);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_BENCH_FLEET_H_

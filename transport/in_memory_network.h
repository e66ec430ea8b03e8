// A network inside one process: ranks as threads, and faults by seed.

#ifndef SHOAL_TRANSPORT_IN_MEMORY_NETWORK_H_
#define SHOAL_TRANSPORT_IN_MEMORY_NETWORK_H_

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "transport/network.h"

namespace shoal::transport {

// What happens to frames in one direction of a link. Each is drawn per frame,
// with a probability in [0, 1]; hellos are spared.
struct LinkFaults {
  double drop = 0;     // the frame vanishes
  double corrupt = 0;  // one bit is flipped
  double reorder = 0;  // the frame comes after the next one
  double cut = 0;      // the link breaks, with all that is under way
  absl::Duration delay_max = absl::ZeroDuration();  // uniform, up to this
  uint64_t spared_frame_count = 0;                  // at the start of each link
};

// The hub that the ranks share. Pick it for tests, and for ranks as threads: it
// is the same Channel as over ZeroMQ, without sockets.
//
// Faults are drawn from the seed, the epoch and the two ranks, one draw after
// the other for the frames of a direction: the same seed and frames give the
// same faults, whatever the threads' timing.
//
// Threads:  thread-safe. Networks and groups may outlive the hub.
class InMemoryNetwork {
 public:
  explicit InMemoryNetwork(uint64_t seed = 1);
  ~InMemoryNetwork();

  // One rank's network.
  std::unique_ptr<Network> Join(const NetworkOptions& options);

  // For frames from one rank to another; also for links that exist already.
  void SetFaults(uint32_t from_rank, uint32_t to_rank,
                 const LinkFaults& faults);

  // Breaks all links of `rank`, as if its process had been killed.
  void Kill(uint32_t rank);

 private:
  class Hub;
  class RankNetwork;
  class MemoryChannel;

  const std::shared_ptr<Hub> hub_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_IN_MEMORY_NETWORK_H_

// All links of one rank during one epoch.

#ifndef SHOAL_TRANSPORT_CHANNEL_GROUP_H_
#define SHOAL_TRANSPORT_CHANNEL_GROUP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "transport/channel.h"

namespace shoal::transport {

// Made by Network::Connect(). Destroying it closes the links: the peers' calls
// then fail with kUnavailable.
//
// Threads:  thread-safe, apart from set_polling_time() and the destructor.
//           Different channels can be
//           used by different threads at once.
class ChannelGroup {
 public:
  // `wake` makes all blocked calls of `channels` look at `abort`; it may be
  // called from any thread.
  ChannelGroup(uint32_t rank, uint64_t epoch,
               std::map<uint32_t, std::unique_ptr<Channel>> channels,
               std::shared_ptr<AbortState> abort, std::function<void()> wake);
  ChannelGroup(const ChannelGroup&) = delete;
  ChannelGroup& operator=(const ChannelGroup&) = delete;

  // REQUIRES: HasLinkTo(rank).
  Channel& To(uint32_t rank);
  bool HasLinkTo(uint32_t rank) const { return channels_.contains(rank); }

  // By rank.
  const std::map<uint32_t, std::unique_ptr<Channel>>& channels() const {
    return channels_;
  }
  // Peers in ascending order.
  std::vector<uint32_t> peers() const;

  uint32_t rank() const { return rank_; }
  uint64_t epoch() const { return epoch_; }

  // Makes every blocked and every later call of all channels return `status`,
  // promptly. The first call wins. The peers are not told: use
  // Channel::SendAbort() before, or destroy the group.
  // REQUIRES: !status.ok().
  void Abort(const absl::Status& status);

  // Of all channels. REQUIRES: no other thread uses one of them meanwhile.
  void set_polling_time(absl::Duration time);

  // Sums over the channels.
  uint64_t bytes_sent() const;
  uint64_t bytes_received() const;

 private:
  const uint32_t rank_;
  const uint64_t epoch_;
  const std::shared_ptr<AbortState> abort_;
  const std::function<void()> wake_;
  const std::map<uint32_t, std::unique_ptr<Channel>> channels_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TRANSPORT_CHANNEL_GROUP_H_

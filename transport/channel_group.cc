#include "transport/channel_group.h"

#include <utility>

#include "base/check.h"

namespace shoal::transport {

ChannelGroup::ChannelGroup(
    uint32_t rank, uint64_t epoch,
    std::map<uint32_t, std::unique_ptr<Channel>> channels,
    std::shared_ptr<AbortState> abort, std::function<void()> wake)
    : rank_(rank),
      epoch_(epoch),
      abort_(std::move(abort)),
      wake_(std::move(wake)),
      channels_(std::move(channels)) {}

Channel& ChannelGroup::To(uint32_t rank) {
  const auto it = channels_.find(rank);
  SHOAL_CHECK(it != channels_.end(), "rank ", rank_, " has no link to ", rank);
  return *it->second;
}

std::vector<uint32_t> ChannelGroup::peers() const {
  std::vector<uint32_t> peers;
  for (const auto& [rank, channel] : channels_) peers.push_back(rank);
  return peers;
}

void ChannelGroup::Abort(const absl::Status& status) {
  abort_->Set(status);
  wake_();
}

void ChannelGroup::set_polling_time(absl::Duration time) {
  for (const auto& [rank, channel] : channels_) channel->set_polling_time(time);
}

uint64_t ChannelGroup::bytes_sent() const {
  uint64_t bytes = 0;
  for (const auto& [rank, channel] : channels_) bytes += channel->bytes_sent();
  return bytes;
}

uint64_t ChannelGroup::bytes_received() const {
  uint64_t bytes = 0;
  for (const auto& [rank, channel] : channels_)
    bytes += channel->bytes_received();
  return bytes;
}

}  // namespace shoal::transport

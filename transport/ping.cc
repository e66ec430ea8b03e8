#include "transport/ping.h"

#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace shoal::transport {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

class ChannelPing final : public PingEnd {
 public:
  explicit ChannelPing(Channel& channel) : channel_(channel) {}

  absl::Status Send(std::span<const std::byte> message) override {
    FrameHeader header;
    header.type = FrameType::kMeasure;
    return channel_.Send(header, message, absl::Now() + kPatience);
  }
  absl::Status Receive(size_t size) override {
    SHOAL_ASSIGN_OR_RETURN(const Frame frame,
                           channel_.Receive(absl::Now() + kPatience));
    if (frame.payload.size() == size) return absl::OkStatus();
    return absl::UnavailableError("a message of another size came");
  }

 private:
  Channel& channel_;
};

}  // namespace

std::unique_ptr<PingEnd> PingOver(Channel& channel) {
  return std::make_unique<ChannelPing>(channel);
}

absl::Status Ping(PingEnd& end, size_t bytes, uint32_t count,
                  std::vector<absl::Duration>& to) {
  const std::vector<std::byte> message(bytes);
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t begin = absl::GetCurrentTimeNanos();
    SHOAL_RETURN_IF_ERROR(end.Send(message));
    SHOAL_RETURN_IF_ERROR(end.Receive(bytes));
    to.push_back(absl::Nanoseconds(absl::GetCurrentTimeNanos() - begin));
  }
  return absl::OkStatus();
}

absl::Status Echo(PingEnd& end, size_t bytes, uint32_t count) {
  const std::vector<std::byte> message(bytes);
  for (uint32_t i = 0; i < count; ++i) {
    SHOAL_RETURN_IF_ERROR(end.Receive(bytes));
    SHOAL_RETURN_IF_ERROR(end.Send(message));
  }
  return absl::OkStatus();
}

}  // namespace shoal::transport

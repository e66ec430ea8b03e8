#include "transport/tcp_network.h"

#include <optional>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "transport/sealed_link.h"
#include "transport/shared_link.h"
#include "transport/tcp_door.h"
#include "transport/tcp_socket.h"
#include "transport/tcp_stream.h"

namespace shoal::transport {
namespace {

// A door until the peer is known, then a stream; a dialed link is a stream from
// the beginning.
class TcpLink final : public Link {
 public:
  TcpLink(const LinkOptions& options, std::unique_ptr<TcpDoor> door)
      : options_(options),
        endpoint_(door->endpoint()),
        door_(std::move(door)) {}
  TcpLink(const LinkOptions& options, const std::string& endpoint, UniqueFd fd)
      : options_(options), endpoint_(endpoint) {
    stream_.emplace(options, std::move(fd));
  }

  const std::string& endpoint() const override { return endpoint_; }

  absl::Status Send(std::span<const std::byte> head,
                    std::span<const std::byte> tail,
                    absl::Time deadline) override {
    if (stream_) return stream_->Send(head, tail, deadline);
    door_->Send(head, tail);
    return absl::OkStatus();
  }

  absl::StatusOr<std::span<std::byte>> Receive(absl::Time deadline) override {
    return stream_ ? stream_->Receive(deadline) : door_->Receive(deadline);
  }

  void KeepPeer() override {
    SHOAL_CHECK(door_ != nullptr);
    stream_.emplace(options_, door_->TakeGuest());
    // Who else waits there is cut off, and nobody can dial any more.
    door_.reset();
  }

  void set_polling_time(absl::Duration time) override {
    if (stream_) stream_->set_polling_time(time);
  }

 private:
  const LinkOptions options_;
  const std::string endpoint_;
  std::unique_ptr<TcpDoor> door_;
  std::optional<TcpStream> stream_;
};

// With what the options want around it. The link itself is for
// SealedLink::Inner() of them where they want sealing.
std::unique_ptr<Link> Around(const LinkOptions& options, bool listening,
                             std::unique_ptr<Link> link) {
  if (const auto& secret = options.network.seal_secret) {
    return std::make_unique<SealedLink>(options, *secret, listening,
                                        std::move(link));
  }
  if (options.network.shared_bytes > 0) {
    return std::make_unique<SharedLink>(options, listening, std::move(link));
  }
  return link;
}

LinkOptions InnerOf(const LinkOptions& options) {
  return options.network.seal_secret ? SealedLink::Inner(options) : options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Link>> TcpNetwork::ListenLink(
    const LinkOptions& options) {
  const LinkOptions inner = InnerOf(options);
  SHOAL_ASSIGN_OR_RETURN(auto door, TcpDoor::Open(inner));
  return Around(options, /*listening=*/true,
                std::make_unique<TcpLink>(inner, std::move(door)));
}

absl::StatusOr<std::unique_ptr<Link>> TcpNetwork::DialLink(
    const LinkOptions& options, const std::string& endpoint,
    absl::Time deadline) {
  const LinkOptions inner = InnerOf(options);
  SHOAL_ASSIGN_OR_RETURN(UniqueFd fd, DialTcp(inner, endpoint, deadline));
  return Around(options, /*listening=*/false,
                std::make_unique<TcpLink>(inner, endpoint, std::move(fd)));
}

}  // namespace shoal::transport

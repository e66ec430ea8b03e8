#include "transport/tcp_network.h"

#include <optional>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "transport/sealed_link.h"
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

}  // namespace

absl::StatusOr<std::unique_ptr<Link>> TcpNetwork::ListenLink(
    const LinkOptions& options) {
  const auto& secret = options.network.seal_secret;
  const LinkOptions inner = secret ? SealedLink::Inner(options) : options;
  SHOAL_ASSIGN_OR_RETURN(auto door, TcpDoor::Open(inner));
  auto link = std::make_unique<TcpLink>(inner, std::move(door));
  if (!secret) return link;
  return std::make_unique<SealedLink>(options, *secret, /*listening=*/true,
                                      std::move(link));
}

absl::StatusOr<std::unique_ptr<Link>> TcpNetwork::DialLink(
    const LinkOptions& options, const std::string& endpoint,
    absl::Time deadline) {
  const auto& secret = options.network.seal_secret;
  const LinkOptions inner = secret ? SealedLink::Inner(options) : options;
  SHOAL_ASSIGN_OR_RETURN(UniqueFd fd, DialTcp(inner, endpoint, deadline));
  auto link = std::make_unique<TcpLink>(inner, endpoint, std::move(fd));
  if (!secret) return link;
  return std::make_unique<SealedLink>(options, *secret, /*listening=*/false,
                                      std::move(link));
}

}  // namespace shoal::transport

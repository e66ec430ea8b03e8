#include "transport/tcp_door.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "transport/frame.h"

namespace shoal::transport {

absl::StatusOr<std::unique_ptr<TcpDoor>> TcpDoor::Open(
    const LinkOptions& options) {
  SHOAL_ASSIGN_OR_RETURN(UniqueFd listener,
                         ListenTcp(options.network.bind_address));
  return std::unique_ptr<TcpDoor>(new TcpDoor(options, std::move(listener)));
}

absl::StatusOr<std::span<std::byte>> TcpDoor::Receive(absl::Time deadline) {
  current_.reset();
  for (;;) {
    if (options_.abort->aborted()) return absl::CancelledError();
    if (ReadAll()) {
      return std::span<std::byte>(current_->bytes).first(current_->byte_count);
    }
    SHOAL_RETURN_IF_ERROR(Wait(deadline));
    SHOAL_RETURN_IF_ERROR(Accept());
  }
}

absl::Status TcpDoor::Accept() {
  for (;;) {
    const int fd = accept4(listener_.get(), nullptr, nullptr,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return absl::OkStatus();
      // The connection may be gone before it was accepted.
      const absl::Status status = SocketError("cannot accept", errno);
      if (absl::IsResourceExhausted(status)) return status;
      continue;
    }
    auto guest = std::make_unique<Guest>();
    guest->fd.Reset(fd);
    guest->until = absl::Now() + kGuestTime;
    SetUpTcp(fd, options_.network);
    if (guests_.size() >= kGuestsMax) guests_.pop_front();
    guests_.push_back(std::move(guest));
  }
}

TcpDoor::Reading TcpDoor::ReadFrom(Guest& guest) {
  for (;;) {
    // Not a byte beyond the hello: what follows belongs to the stream.
    size_t wanted = kFrameHeaderBytes;
    if (guest.byte_count >= kFrameHeaderBytes) {
      wanted = std::min<uint64_t>(
          guest.bytes.size(),
          FrameBytesOf(std::span(guest.bytes).first<kFrameHeaderBytes>()));
      if (guest.byte_count == wanted) return Reading::kWhole;
    }
    const ssize_t count =
        recv(guest.fd.get(), guest.bytes.data() + guest.byte_count,
             wanted - guest.byte_count, MSG_DONTWAIT);
    if (count > 0) {
      guest.byte_count += static_cast<size_t>(count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
                 ? Reading::kMore
                 : Reading::kLeft;
    }
  }
}

bool TcpDoor::ReadAll() {
  const absl::Time now = absl::Now();
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    const Reading reading = ReadFrom(**guest);
    if (reading == Reading::kMore && now < (*guest)->until) {
      ++guest;
      continue;
    }
    if (reading == Reading::kWhole) current_ = std::move(*guest);
    guest = guests_.erase(guest);
    if (current_ != nullptr) return true;
  }
  return false;
}

absl::Status TcpDoor::Wait(absl::Time deadline) {
  const bool late = absl::Now() >= deadline;
  std::vector<pollfd> items = {{listener_.get(), POLLIN, 0},
                               {options_.wake->fd(), POLLIN, 0}};
  for (const auto& guest : guests_) {
    items.push_back({guest->fd.get(), POLLIN, 0});
    deadline = std::min(deadline, guest->until);
  }
  const int ready =
      poll(items.data(), items.size(), PollMilliseconds(deadline));
  if (ready == 0 && late) return absl::DeadlineExceededError("");
  return absl::OkStatus();
}

void TcpDoor::Send(std::span<const std::byte> head,
                   std::span<const std::byte> tail) {
  if (current_ == nullptr) return;
  for (const auto part : {head, tail}) {
    // It may be gone already, or read nothing: that is its own loss.
    [[maybe_unused]] const ssize_t sent =
        send(current_->fd.get(), part.data(), part.size(),
             MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

UniqueFd TcpDoor::TakeGuest() {
  SHOAL_CHECK(current_ != nullptr);
  return std::move(current_->fd);
}

}  // namespace shoal::transport

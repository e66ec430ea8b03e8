#include "transport/tcp_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/pause.h"
#include "base/status_macros.h"

namespace shoal::transport {
namespace {

// A gap between two looks at the socket by which a thread knows that it was not
// running, and for how long it then does not poll.
constexpr absl::Duration kPreempted = absl::Microseconds(500);
constexpr absl::Duration kPollingPause = absl::Milliseconds(50);

absl::Status Gone() {
  return absl::UnavailableError("closed its end of the link or vanished");
}

absl::Status Silent(absl::Duration silence_max) {
  return absl::UnavailableError(absl::StrCat(
      "no answer for ", absl::FormatDuration(silence_max),
      ": it hangs, its network is cut, or packets get lost one way; check that "
      "the two devices reach each other, both ways"));
}

iovec Part(std::span<const std::byte> bytes, size_t skip) {
  skip = std::min(skip, bytes.size());
  return {const_cast<std::byte*>(bytes.data()) + skip, bytes.size() - skip};
}

bool NotNow(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

TcpStream::TcpStream(const LinkOptions& options, UniqueFd fd)
    : options_(options),
      fd_(std::move(fd)),
      polling_time_(options.network.polling_time),
      buffer_(options.network.payload_bytes_max,
              options.network.high_water_mark),
      silence_(options.network.silence_max) {}

TcpStream::Patience TcpStream::PatienceUntil(absl::Time deadline) const {
  const absl::Time now = absl::Now();
  const absl::Time until = now < polling_again_ ? now : now + polling_time_;
  return {deadline, std::min(deadline, until), now};
}

absl::StatusOr<size_t> TcpStream::Write(std::span<const std::byte> head,
                                        std::span<const std::byte> tail,
                                        size_t done) {
  std::array<iovec, 2> parts = {Part(head, done),
                                Part(tail, done - std::min(done, head.size()))};
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = tail.empty() ? 1 : parts.size();
  const ssize_t count =
      sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count >= 0) return static_cast<size_t>(count);
  if (NotNow(errno) || errno == EINTR || errno == ENOBUFS) return 0;
  return Gone();
}

absl::StatusOr<bool> TcpStream::WriteRest() {
  if (rest_.empty()) return true;
  SHOAL_ASSIGN_OR_RETURN(const size_t count, Write(rest_, {}, rest_done_));
  rest_done_ += count;
  if (rest_done_ < rest_.size()) return false;
  rest_.clear();
  rest_done_ = 0;
  return true;
}

absl::Status TcpStream::Send(std::span<const std::byte> head,
                             std::span<const std::byte> tail,
                             absl::Time deadline) {
  Patience patience = PatienceUntil(deadline);
  const size_t size = head.size() + tail.size();
  size_t done = 0;
  for (;;) {
    if (options_.abort->aborted()) return absl::CancelledError();
    SHOAL_ASSIGN_OR_RETURN(const bool clear, WriteRest());
    if (clear) {
      SHOAL_ASSIGN_OR_RETURN(const size_t count, Write(head, tail, done));
      done += count;
      if (done == size) return absl::OkStatus();
      if (count > 0) continue;
    }
    // The peer may be sending, too, and wait for us to read.
    const bool reads = !ended_ && !buffer_.Room().empty();
    if (reads && Read()) continue;
    const absl::Status waited =
        Wait(static_cast<short>(POLLOUT | (reads ? POLLIN : 0)), patience);
    if (waited.ok()) continue;
    if (!absl::IsDeadlineExceeded(waited) || done == 0) return waited;
    // A part is with the peer and cannot be taken back.
    for (const iovec part :
         {Part(head, done), Part(tail, done - std::min(done, head.size()))}) {
      const auto* const bytes = static_cast<const std::byte*>(part.iov_base);
      rest_.insert(rest_.end(), bytes, bytes + part.iov_len);
    }
    return absl::OkStatus();
  }
}

absl::StatusOr<std::span<std::byte>> TcpStream::Receive(absl::Time deadline) {
  buffer_.Release();
  std::optional<Patience> patience;
  for (;;) {
    if (options_.abort->aborted()) return absl::CancelledError();
    // Before the news that the peer is gone come the frames that it sent.
    if (const auto frame = buffer_.Next()) return *frame;
    if (ended_) return Gone();
    if (Read()) continue;
    const absl::StatusOr<bool> clear = WriteRest();
    if (!clear.ok()) {
      ended_ = true;
      continue;
    }
    if (!patience) patience = PatienceUntil(deadline);
    SHOAL_RETURN_IF_ERROR(
        Wait(static_cast<short>(POLLIN | (*clear ? 0 : POLLOUT)), *patience));
  }
}

bool TcpStream::Read() {
  const std::span<std::byte> room = buffer_.Room();
  const ssize_t count = recv(fd_.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (count > 0) {
    buffer_.Filled(static_cast<size_t>(count));
    return true;
  }
  if (count < 0 && (NotNow(errno) || errno == EINTR)) return false;
  ended_ = true;
  return true;
}

absl::Status TcpStream::Wait(short events, Patience& patience) {
  const absl::Time now = absl::Now();
  if (now < patience.polling_until) {
    if (now - patience.looked <= kPreempted) {
      patience.looked = now;
      base::Pause();
      return absl::OkStatus();
    }
    // Another thread had the core: it is needed, and a thread that sleeps is
    // given it sooner when its frame comes.
    patience.polling_until = now;
    polling_again_ = now + kPollingPause;
  }
  std::array<pollfd, 2> items = {
      {{fd_.get(), events, 0}, {options_.wake->fd(), POLLIN, 0}}};
  const absl::Time slice =
      std::min(patience.deadline, now + SilenceWatch::kInterval);
  const int ready = poll(items.data(), items.size(), PollMilliseconds(slice));
  if (ready != 0) return absl::OkStatus();
  if (silence_.IsSilent(fd_.get())) return Silent(options_.network.silence_max);
  // Late, and nothing came although it was waited for: with a deadline in the
  // past, the poll looked.
  if (now >= patience.deadline) return absl::DeadlineExceededError("");
  return absl::OkStatus();
}

}  // namespace shoal::transport

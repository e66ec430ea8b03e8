#include "transport/reach_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "transport/link.h"

namespace shoal::transport {
namespace {

// Sends back what is there. False: the guest is gone, or takes nothing.
bool Echo(int fd) {
  std::array<std::byte, kReachBytes> bytes;
  const ssize_t got = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  return got > 0 && send(fd, bytes.data(), static_cast<size_t>(got),
                         MSG_NOSIGNAL | MSG_DONTWAIT) == got;
}

// Of a connection that does not block. Waits until it can be read or written.
absl::Status Await(int fd, int16_t events, absl::Time deadline) {
  while (true) {
    pollfd item = {fd, events, 0};
    const bool late = absl::Now() >= deadline;
    if (poll(&item, 1, PollMilliseconds(deadline)) > 0) return absl::OkStatus();
    if (late) return absl::DeadlineExceededError("no answer in time");
  }
}

absl::Status RoundTrip(int fd, absl::Time deadline) {
  std::array<std::byte, kReachBytes> bytes = {};
  for (size_t sent = 0; sent < bytes.size();) {
    SHOAL_RETURN_IF_ERROR(Await(fd, POLLOUT, deadline));
    const ssize_t now =
        send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now < 0 && errno != EAGAIN) return SocketError("it hung up", errno);
    if (now > 0) sent += static_cast<size_t>(now);
  }
  for (size_t got = 0; got < bytes.size();) {
    SHOAL_RETURN_IF_ERROR(Await(fd, POLLIN, deadline));
    const ssize_t now = recv(fd, bytes.data(), bytes.size() - got, 0);
    if (now == 0) return absl::UnavailableError("it hung up");
    if (now < 0 && errno != EAGAIN) return SocketError("it hung up", errno);
    if (now > 0) got += static_cast<size_t>(now);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Dial(const std::string& endpoint,
                              absl::Time deadline) {
  LinkOptions options;
  options.abort = std::make_shared<AbortState>();
  SHOAL_ASSIGN_OR_RETURN(options.wake, WakeEvent::Create());
  return DialTcp(options, endpoint, deadline);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReachDoor>> ReachDoor::Open(
    const std::string& address, absl::Duration open_time) {
  SHOAL_ASSIGN_OR_RETURN(UniqueFd listener, ListenTcp(address));
  SHOAL_ASSIGN_OR_RETURN(std::shared_ptr<WakeEvent> wake, WakeEvent::Create());
  return std::unique_ptr<ReachDoor>(
      new ReachDoor(std::move(listener), std::move(wake), open_time));
}

ReachDoor::ReachDoor(UniqueFd listener, std::shared_ptr<WakeEvent> wake,
                     absl::Duration open_time)
    : listener_(std::move(listener)), wake_(std::move(wake)) {
  thread_ = std::thread([this, end = absl::Now() + open_time] { Serve(end); });
}

ReachDoor::~ReachDoor() {
  wake_->Set();
  thread_.join();
}

uint32_t ReachDoor::port() const {
  const std::string text = endpoint();
  uint32_t port = 0;
  SHOAL_CHECK(absl::SimpleAtoi(text.substr(text.rfind(':') + 1), &port));
  return port;
}

void ReachDoor::Serve(absl::Time end) {
  std::vector<UniqueFd> guests;
  while (absl::Now() < end) {
    std::vector<pollfd> items = {{wake_->fd(), POLLIN, 0}};
    for (const UniqueFd& guest : guests) {
      items.push_back({guest.get(), POLLIN, 0});
    }
    if (guests.size() < kGuestsMax) {
      items.push_back({listener_.get(), POLLIN, 0});
    }
    poll(items.data(), items.size(), PollMilliseconds(end));
    if (items[0].revents != 0) break;
    const bool comes = guests.size() < kGuestsMax && items.back().revents != 0;
    for (size_t i = guests.size(); i > 0; --i) {
      if (items[i].revents != 0 && !Echo(guests[i - 1].get())) {
        guests.erase(guests.begin() + static_cast<ptrdiff_t>(i - 1));
      }
    }
    if (!comes) continue;
    UniqueFd guest(accept4(listener_.get(), nullptr, nullptr,
                           SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!guest.valid()) continue;
    SetUpTcp(guest.get(), NetworkOptions());
    guests.push_back(std::move(guest));
  }
  ended_ = true;
}

absl::Status TryConnect(const std::string& endpoint, absl::Time deadline) {
  return Dial(endpoint, deadline).status();
}

absl::StatusOr<std::vector<absl::Duration>> MeasureReach(
    const std::string& endpoint, uint32_t count, absl::Time deadline) {
  SHOAL_ASSIGN_OR_RETURN(const UniqueFd fd, Dial(endpoint, deadline));
  std::vector<absl::Duration> times;
  while (times.size() < count) {
    const absl::Time begin = absl::Now();
    const absl::Status done = RoundTrip(fd.get(), deadline);
    if (!done.ok()) {
      if (times.empty()) return done;
      break;
    }
    times.push_back(absl::Now() - begin);
  }
  return times;
}

}  // namespace shoal::transport

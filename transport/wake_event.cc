#include "transport/wake_event.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace shoal::transport {

absl::StatusOr<std::shared_ptr<WakeEvent>> WakeEvent::Create() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot create an eventfd: ", std::strerror(errno)));
  }
  return std::shared_ptr<WakeEvent>(new WakeEvent(fd));
}

WakeEvent::~WakeEvent() { close(fd_); }

void WakeEvent::Set() {
  const uint64_t one = 1;
  // Fails only if it is set 2^64 times: it is then readable anyway.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof(one));
}

}  // namespace shoal::transport

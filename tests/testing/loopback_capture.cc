#include "tests/testing/loopback_capture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace shoal::testing {
namespace {

bool WriteFile(const char* path, const std::string& text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool written = write(file, text.data(), text.size()) ==
                       static_cast<ssize_t>(text.size());
  close(file);
  return written;
}

// As root, or as root of a user namespace in which files stay ours.
bool Unshare() {
  if (unshare(CLONE_NEWNET) == 0) return true;
  const uid_t user = getuid();
  const gid_t group = getgid();
  return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
         WriteFile("/proc/self/setgroups", "deny") &&
         WriteFile("/proc/self/uid_map", absl::StrCat("0 ", user, " 1")) &&
         WriteFile("/proc/self/gid_map", absl::StrCat("0 ", group, " 1"));
}

}  // namespace

bool LoopbackCapture::EnterOwnNetwork() {
  if (!Unshare()) return false;
  const int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  const bool is_up = ioctl(socket_fd, SIOCSIFFLAGS, &request) == 0;
  close(socket_fd);
  return is_up;
}

LoopbackCapture::LoopbackCapture()
    : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
  SHOAL_CHECK(socket_ >= 0);
  const int size = 256 << 20;
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  recorder_ = std::thread([this] { Record(); });
}

LoopbackCapture::~LoopbackCapture() {
  Stop();
  close(socket_);
}

void LoopbackCapture::Record() {
  std::vector<char> packet(1 << 17);
  for (;;) {
    sockaddr_ll from = {};
    socklen_t from_size = sizeof(from);
    const ssize_t count =
        recvfrom(socket_, packet.data(), packet.size(), MSG_DONTWAIT,
                 reinterpret_cast<sockaddr*>(&from), &from_size);
    if (count > 0) {
      // Each packet is seen as it leaves and as it arrives.
      if (from.sll_pkttype == PACKET_OUTGOING) continue;
      bytes_.append(packet.data(), static_cast<size_t>(count));
      continue;
    }
    if (stops_) return;
    pollfd item = {socket_, POLLIN, 0};
    poll(&item, 1, 10);
  }
}

const std::string& LoopbackCapture::Stop() {
  stops_ = true;
  if (recorder_.joinable()) recorder_.join();
  return bytes_;
}

}  // namespace shoal::testing

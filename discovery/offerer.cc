#include "discovery/offerer.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "discovery/multicast.h"
#include "discovery/rate_limit.h"

namespace shoal::discovery {
namespace {

using transport::UniqueFd;
using transport::WakeEvent;

// How often interfaces that came up are looked for.
constexpr int kLookMilliseconds = 30000;

// 0.0.0.0 for all addresses.
absl::StatusOr<in_addr> AddressOf(const std::string& host) {
  if (host == "*" || host == "::") return in_addr{};
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(host, " is no address of IPv4: ", gai_strerror(error)));
  }
  const in_addr address =
      reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr;
  freeaddrinfo(found);
  return address;
}

bool IsLoopback(in_addr address) {
  return (ntohl(address.s_addr) >> IN_CLASSA_NSHIFT) == IN_LOOPBACKNET;
}

// All of 127.0.0.0/8 is at one interface, whichever of it that has.
bool IsAt(in_addr host, const Interface& interface) {
  return host.s_addr == INADDR_ANY || host.s_addr == interface.address.s_addr ||
         (IsLoopback(host) && IsLoopback(interface.address));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Offerer>> Offerer::Start(Options options) {
  SHOAL_ASSIGN_OR_RETURN(const in_addr host, AddressOf(options.listen_host));
  // At the group's address: what is sent to this machine alone does not come.
  SHOAL_ASSIGN_OR_RETURN(
      UniqueFd socket,
      OpenUdp(GroupAddress(), options.udp_port, /*is_shared=*/true));
  SHOAL_ASSIGN_OR_RETURN(const sockaddr_in own, OwnAddress(socket.get()));
  SHOAL_ASSIGN_OR_RETURN(std::shared_ptr<WakeEvent> wake, WakeEvent::Create());
  std::unique_ptr<Offerer> offerer(
      new Offerer(std::move(options.offer), host, std::move(socket),
                  ntohs(own.sin_port), std::move(wake)));
  SHOAL_RETURN_IF_ERROR(offerer->JoinInterfaces());
  offerer->thread_ = std::thread([raw = offerer.get()] { raw->Serve(); });
  return offerer;
}

Offerer::Offerer(Offer offer, in_addr host, UniqueFd socket, uint16_t udp_port,
                 std::shared_ptr<WakeEvent> wake)
    : offer_(std::move(offer)),
      host_(host),
      socket_(std::move(socket)),
      udp_port_(udp_port),
      wake_(std::move(wake)) {}

Offerer::~Offerer() {
  wake_->Set();
  if (thread_.joinable()) thread_.join();
}

absl::Status Offerer::JoinInterfaces() const {
  absl::Status status = absl::InvalidArgumentError(
      "no interface of this machine has that address");
  bool is_joined = false;
  for (const Interface& interface : Interfaces()) {
    if (!IsAt(host_, interface)) continue;
    const absl::Status joined = JoinGroup(socket_.get(), interface.index);
    if (joined.ok()) is_joined = true;
    if (!joined.ok()) status = joined;
  }
  return is_joined ? absl::OkStatus() : status;
}

void Offerer::Serve() const {
  RateLimit limit(kAnswersPerSecond);
  std::array<std::byte, kQuestionBytes> buffer;
  for (;;) {
    std::array<pollfd, 2> files = {
        {{socket_.get(), POLLIN, 0}, {wake_->fd(), POLLIN, 0}}};
    const int ready = poll(files.data(), files.size(), kLookMilliseconds);
    if (files[1].revents != 0) return;
    // It had one at the start; without any it waits for one.
    if (ready == 0) JoinInterfaces().IgnoreError();
    if (ready <= 0 || files[0].revents == 0) continue;
    const std::optional<Arrival> arrival = ReceiveFrom(socket_.get(), buffer);
    if (!arrival) continue;
    const std::optional<Nonce> nonce =
        ParseQuestion(std::span(buffer).first(arrival->bytes));
    if (!nonce || !limit.Take(absl::Now())) continue;
    // Who asked asks again if it is lost.
    SendThrough(socket_.get(), EncodeAnswer({*nonce, offer_}), arrival->from,
                arrival->interface_index, host_)
        .IgnoreError();
  }
}

}  // namespace shoal::discovery

#include "discovery/finder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "discovery/multicast.h"
#include "security/random_bytes.h"
#include "transport/tcp_socket.h"

namespace shoal::discovery {
namespace {

// Datagrams get lost.
constexpr absl::Duration kAskAgain = absl::Milliseconds(400);

// Errors: kUnavailable  none could be asked through
absl::Status Ask(int socket, uint16_t port,
                 std::span<const std::byte> question) {
  sockaddr_in group = {};
  group.sin_family = AF_INET;
  group.sin_addr = GroupAddress();
  group.sin_port = htons(port);
  std::set<int> asked;
  absl::Status status = absl::UnavailableError("it has no address of IPv4");
  for (const Interface& interface : Interfaces()) {
    if (asked.contains(interface.index)) continue;
    const absl::Status sent = SendThrough(socket, question, group,
                                          interface.index, interface.address);
    if (sent.ok()) asked.insert(interface.index);
    if (!sent.ok()) status = sent;
  }
  if (!asked.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("this device cannot ask the network: ", status.message()));
}

std::optional<FoundOffer> Receive(int socket, const Nonce& nonce) {
  std::array<std::byte, kQuestionBytes> buffer;
  const std::optional<Arrival> arrival = ReceiveFrom(socket, buffer);
  if (!arrival) return std::nullopt;
  std::optional<Answer> answer =
      ParseAnswer(std::span(buffer).first(arrival->bytes));
  std::array<char, INET_ADDRSTRLEN> host = {};
  if (!answer || answer->nonce != nonce ||
      inet_ntop(AF_INET, &arrival->from.sin_addr, host.data(), host.size()) ==
          nullptr) {
    return std::nullopt;
  }
  return FoundOffer{host.data(), std::move(answer->offer)};
}

int MillisecondsUntil(absl::Time time) {
  return static_cast<int>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(absl::Ceil(
                              time - absl::Now(), absl::Milliseconds(1))),
                          0, 1000));
}

}  // namespace

absl::StatusOr<std::vector<FoundOffer>> FindOffers(const FindOptions& options) {
  SHOAL_ASSIGN_OR_RETURN(const transport::UniqueFd socket,
                         OpenUdp(in_addr{}, 0, /*is_shared=*/false));
  Nonce nonce;
  security::FillRandom(nonce);
  const std::vector<std::byte> question = EncodeQuestion(nonce);
  std::vector<FoundOffer> found;
  const absl::Time end = absl::Now() + options.time;
  absl::Time next = absl::InfinitePast();
  while (absl::Now() < end) {
    if (absl::Now() >= next) {
      SHOAL_RETURN_IF_ERROR(Ask(socket.get(), options.udp_port, question));
      next = absl::Now() + kAskAgain;
    }
    pollfd file = {socket.get(), POLLIN, 0};
    if (poll(&file, 1, MillisecondsUntil(std::min(next, end))) <= 0) continue;
    std::optional<FoundOffer> offer = Receive(socket.get(), nonce);
    if (!offer || found.size() == kFoundMax ||
        std::ranges::find(found, *offer) != found.end()) {
      continue;
    }
    found.push_back(*std::move(offer));
  }
  std::ranges::sort(found, {}, [](const FoundOffer& one) {
    return std::tie(one.offer.name, one.host, one.offer.port);
  });
  return found;
}

}  // namespace shoal::discovery

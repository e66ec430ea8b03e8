#include "transport/link_network.h"

#include <array>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "transport/hello.h"

namespace shoal::transport {
namespace {

class LinkChannel final : public Channel {
 public:
  LinkChannel(const Options& options, std::unique_ptr<Link> link)
      : Channel(options), link_(std::move(link)) {}

  void set_polling_time(absl::Duration time) override {
    link_->set_polling_time(time);
  }

 protected:
  absl::Status SendBytes(std::span<const std::byte, kFrameHeaderBytes> header,
                         std::span<const std::byte> payload,
                         absl::Time deadline) override {
    return link_->Send(header, payload, deadline);
  }
  absl::StatusOr<std::span<const std::byte>> ReceiveBytes(
      absl::Time deadline) override {
    return link_->Receive(deadline);
  }
  absl::StatusOr<std::span<std::byte>> TakeRoom(size_t bytes,
                                                absl::Time deadline) override {
    return link_->TakeRoom(bytes, deadline);
  }
  absl::Status SendRoom(absl::Time deadline) override {
    return link_->SendRoom(deadline);
  }
  bool received_in_memory() const override {
    return link_->received_in_memory();
  }

 private:
  const std::unique_ptr<Link> link_;
};

bool IsWildcard(const std::string& address) {
  static constexpr std::array<const char*, 5> kWildcards = {"*", "0.0.0.0",
                                                            "[::]", "::", ""};
  return absl::c_linear_search(kWildcards, address);
}

}  // namespace

LinkNetwork::LinkNetwork(const NetworkOptions& options) : options_(options) {}

LinkNetwork::~LinkNetwork() = default;

LinkOptions LinkNetwork::OptionsForLinks() const {
  return {options_, abort_, wake_};
}

absl::StatusOr<std::map<uint32_t, std::string>> LinkNetwork::Listen() {
  SHOAL_CHECK(wake_ == nullptr, "Listen() was called before");
  SHOAL_RETURN_IF_ERROR(CheckOptions(options_));
  if (IsWildcard(options_.bind_address) &&
      options_.advertised_address.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "network options: bind_address is \"", options_.bind_address,
        "\", which peers cannot dial; give advertised_address"));
  }
  SHOAL_ASSIGN_OR_RETURN(wake_, WakeEvent::Create());
  std::map<uint32_t, std::string> endpoints;
  for (const auto& [peer, name] : options_.peers) {
    if (peer < options_.rank) continue;
    SHOAL_ASSIGN_OR_RETURN(auto link, ListenLink(OptionsForLinks()));
    std::string endpoint = link->endpoint();
    if (!options_.advertised_address.empty()) {
      endpoint = absl::StrCat("tcp://", options_.advertised_address,
                              endpoint.substr(endpoint.rfind(':')));
    }
    endpoints[peer] = std::move(endpoint);
    links_[peer] = std::move(link);
  }
  return endpoints;
}

absl::StatusOr<std::unique_ptr<ChannelGroup>> LinkNetwork::Connect(
    const std::map<uint32_t, std::string>& endpoints, absl::Time deadline) {
  SHOAL_CHECK(wake_ != nullptr, "Listen() was not called");
  // On an error the links close, so that the peers need not wait for theirs.
  Links links = std::exchange(links_, {});
  // Every hello goes out before any is awaited, else ranks that wait for each
  // other in a circle would wait for ever.
  for (const auto& [peer, name] : options_.peers) {
    if (peer > options_.rank) continue;
    SHOAL_ASSIGN_OR_RETURN(links[peer], Dial(endpoints, peer, deadline));
  }
  for (const auto& [peer, link] : links) {
    if (peer < options_.rank) continue;
    SHOAL_RETURN_IF_ERROR(Accept(*link, peer, deadline));
  }
  for (const auto& [peer, link] : links) {
    if (peer > options_.rank) continue;
    SHOAL_RETURN_IF_ERROR(AwaitHello(*link, peer, deadline));
  }
  std::map<uint32_t, std::unique_ptr<Channel>> channels;
  for (auto& [peer, link] : links) {
    Channel::Options options;
    options.rank = options_.rank;
    options.peer_rank = peer;
    options.peer_name = options_.peers.at(peer);
    options.epoch = options_.epoch;
    options.payload_bytes_max = options_.payload_bytes_max;
    options.abort = abort_;
    channels[peer] = std::make_unique<LinkChannel>(options, std::move(link));
  }
  return std::make_unique<ChannelGroup>(options_.rank, options_.epoch,
                                        std::move(channels), abort_,
                                        [wake = wake_] { wake->Set(); });
}

absl::Status LinkNetwork::Explain(const absl::Status& status, uint32_t peer,
                                  absl::string_view late) const {
  return absl::Status(
      status.code(),
      absl::StrCat("rank ", peer, " (", options_.peers.at(peer), ") ",
                   absl::IsDeadlineExceeded(status) ? late : status.message()));
}

absl::StatusOr<std::unique_ptr<Link>> LinkNetwork::Dial(
    const std::map<uint32_t, std::string>& endpoints, uint32_t peer,
    absl::Time deadline) {
  const auto endpoint = endpoints.find(peer);
  if (endpoint == endpoints.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no endpoint given for rank ", peer, " (",
                     options_.peers.at(peer), ")"));
  }
  auto link = DialLink(OptionsForLinks(), endpoint->second, deadline);
  if (!link.ok()) {
    return Explain(link.status(), peer,
                   absl::StrCat("does not answer at ",
                                absl::StripPrefix(endpoint->second, "tcp://"),
                                "; does a firewall there let it in?"));
  }
  const absl::Status sent = (*link)->Send(EncodeHello(options_), {}, deadline);
  if (!sent.ok()) return Explain(sent, peer, "took no hello in time");
  return link;
}

absl::Status LinkNetwork::Accept(Link& link, uint32_t peer,
                                 absl::Time deadline) {
  const std::string& endpoint = link.endpoint();
  std::string late = absl::StrCat(
      "did not dial in time; does a firewall let it in to port ",
      endpoint.substr(endpoint.rfind(':') + 1), " of this device?");
  for (;;) {
    const auto message = link.Receive(deadline);
    if (!message.ok() && !absl::IsPermissionDenied(message.status())) {
      return Explain(message.status(), peer, late);
    }
    const absl::Status hello =
        message.ok() ? CheckHello(*message, options_, peer) : message.status();
    if (hello.ok()) break;
    SHOAL_LOG(kWarning, "refused who dialled as rank ", peer, ": it ",
              hello.message());
    late = absl::StrCat("did not dial in time; refused one that ",
                        hello.message());
    // It may be gone already, or read nothing: that is its own loss.
    link.Send(EncodeRefusal(options_, hello), {}, absl::InfinitePast())
        .IgnoreError();
  }
  link.KeepPeer();
  const absl::Status sent = link.Send(EncodeHello(options_), {}, deadline);
  return sent.ok() ? sent : Explain(sent, peer, "took no hello in time");
}

absl::Status LinkNetwork::AwaitHello(Link& link, uint32_t peer,
                                     absl::Time deadline) {
  const auto message = link.Receive(deadline);
  if (!message.ok())
    return Explain(message.status(), peer, "did not answer in time");
  const absl::Status hello = CheckHello(*message, options_, peer);
  return hello.ok() ? hello : Explain(hello, peer, "");
}

}  // namespace shoal::transport

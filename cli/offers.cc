#include "cli/offers.h"

#include <span>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "cli/device.h"
#include "cli/flag_values.h"
#include "cli/flags_where.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"
#include "proto/fleet_protocol.h"

namespace shoal::cli {
namespace {

using discovery::FoundOffer;
using discovery::Offer;

// Enough to tell two fleets apart; all of it is in --json.
constexpr size_t kFingerprintBytesShown = 8;
constexpr absl::Duration kHintTime = absl::Seconds(1);
constexpr size_t kHintMax = 3;

std::string AddressOf(const FoundOffer& found) {
  return absl::StrCat(found.host, ":", found.offer.port);
}

std::string FingerprintText(const Offer& offer, size_t bytes) {
  if (!offer.authority) return "";
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(offer.authority->data()), bytes));
}

bool IsOurProtocol(const Offer& offer) {
  return offer.protocol == proto::kFleetProtocolVersion;
}

}  // namespace

void AddOfferPortFlag(Command& verb, uint32_t* port) {
  verb.AddFlag({.names = "--offer-port",
                .value = "PORT",
                .help = "UDP port at which coordinators are asked for",
                .hidden = true},
               SetUint(port, 1, UINT16_MAX));
}

absl::StatusOr<std::unique_ptr<discovery::Offerer>> OfferCoordinator(
    const std::string& address, const security::FleetSecrets* secrets,
    uint16_t udp_port) {
  SHOAL_ASSIGN_OR_RETURN(const HostPort listening, ParseHostPort(address));
  discovery::Offerer::Options options;
  std::string name = HostName();
  if (secrets != nullptr) {
    const std::string& authority = secrets->authority.certificate_pem;
    SHOAL_ASSIGN_OR_RETURN(name, security::NameIn(authority));
    SHOAL_ASSIGN_OR_RETURN(options.offer.authority,
                           security::FingerprintOf(authority));
  }
  options.offer.name = discovery::PlainText(name, discovery::kNameBytesMax);
  options.offer.port = listening.port;
  options.offer.protocol = proto::kFleetProtocolVersion;
  options.offer.program =
      discovery::PlainText(SHOAL_VERSION, discovery::kVersionBytesMax);
  options.listen_host = listening.host;
  options.udp_port = udp_port;
  return discovery::Offerer::Start(std::move(options));
}

std::string JoinLineOf(const FoundOffer& found) {
  const std::string line =
      absl::StrCat("shoal worker --join ", AddressOf(found));
  if (found.offer.authority) return absl::StrCat(line, "#TOKEN");
  return absl::StrCat(kTokenVariable, "=TOKEN ", line,
                      IsLoopback(found.host) ? "" : " --insecure");
}

std::string NameOf(const FoundOffer& found) {
  return absl::StrCat(found.offer.name, " at ", AddressOf(found));
}

std::string TextOf(const std::vector<FoundOffer>& found) {
  Table table({"fleet", "address", "authority", "version"});
  std::string lines;
  for (const FoundOffer& one : found) {
    const Offer& offer = one.offer;
    table.AddRow(
        {offer.name, AddressOf(one),
         offer.authority ? FingerprintText(offer, kFingerprintBytesShown)
                         : "none: not encrypted",
         IsOurProtocol(offer)
             ? offer.program
             : absl::StrCat(offer.program, " (protocol ", offer.protocol,
                            ", here ", proto::kFleetProtocolVersion, ")")});
    absl::StrAppend(&lines, "  ", JoinLineOf(one), "\n");
  }
  return absl::StrCat(
      table.Text(),
      "\nAnybody on the network can offer anything. To join, get TOKEN from "
      "the\nowner of the fleet; without it nothing is joined and nothing is "
      "shown:\n",
      lines);
}

std::string JsonOf(const std::vector<FoundOffer>& found) {
  using nlohmann::json;
  json offers = json::array();
  for (const FoundOffer& one : found) {
    const Offer& offer = one.offer;
    offers.push_back(
        {{"name", offer.name},
         {"address", AddressOf(one)},
         {"authority", offer.authority ? json(FingerprintText(
                                             offer, offer.authority->size()))
                                       : json()},
         {"version", offer.program},
         {"protocol", offer.protocol},
         {"fits", IsOurProtocol(offer)},
         {"join", JoinLineOf(one)}});
  }
  return json{{"offers", offers}}.dump(2);
}

std::string OffersHint(uint16_t udp_port) {
  const auto found =
      discovery::FindOffers({.time = kHintTime, .udp_port = udp_port});
  if (!found.ok() || found->empty()) {
    return "; no coordinator offers itself on this network (shoal discover), "
           "which says nothing about its address";
  }
  const auto shown = std::span(*found).first(std::min(found->size(), kHintMax));
  return absl::StrCat(
      "; on this network offer themselves, unproven: ",
      absl::StrJoin(shown, ", ",
                    [](std::string* out, const FoundOffer& one) {
                      absl::StrAppend(out, NameOf(one));
                    }),
      found->size() > shown.size() ? " and others (shoal discover)" : "",
      "; with the token of the fleet's owner: ", JoinLineOf(shown[0]));
}

}  // namespace shoal::cli

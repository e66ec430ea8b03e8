// Coordinators that offer themselves to the network: ours, and those of others.

#ifndef SHOAL_CLI_OFFERS_H_
#define SHOAL_CLI_OFFERS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "discovery/finder.h"
#include "discovery/offerer.h"
#include "security/fleet_secrets.h"

namespace shoal::cli {

// --offer-port, for tests.
void AddOfferPortFlag(Command& verb, uint32_t* port);

// Offers a coordinator that listens at `address`, HOST:PORT; `secrets` may be
// null. Errors: of discovery::Offerer::Start()
absl::StatusOr<std::unique_ptr<discovery::Offerer>> OfferCoordinator(
    const std::string& address, const security::FleetSecrets* secrets,
    uint16_t udp_port);

// The line to type on a device that is to join: TOKEN stands for the token.
std::string JoinLineOf(const discovery::FoundOffer& found);

// "home at 192.168.1.10:7070"
std::string NameOf(const discovery::FoundOffer& found);

// What people and programs see of them.
std::string TextOf(const std::vector<discovery::FoundOffer>& found);
std::string JsonOf(const std::vector<discovery::FoundOffer>& found);

// For a worker that was not told whom to join; asks the network for a second.
// Begins with "; ". Nothing is dialled.
std::string OffersHint(uint16_t udp_port);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_OFFERS_H_

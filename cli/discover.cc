#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/offers.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

constexpr uint32_t kSecondsMax = 60;

struct DiscoverFlags {
  uint32_t seconds = 2;
  uint32_t port = discovery::kOfferPort;
  bool json = false;
};

absl::Status Discover(const DiscoverFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(
      const std::vector<discovery::FoundOffer> found,
      discovery::FindOffers({.time = absl::Seconds(flags.seconds),
                             .udp_port = static_cast<uint16_t>(flags.port)}));
  if (flags.json) std::printf("%s\n", JsonOf(found).c_str());
  if (found.empty()) {
    return absl::UnavailableError(absl::StrCat(
        "no coordinator answered within ", flags.seconds, " s at UDP port ",
        flags.port,
        "; one that waits for workers (shoal serve, chat or run) does unless "
        "--no-offer or the network keeps it from that; an address works "
        "without: shoal worker --join HOST:PORT#TOKEN"));
  }
  if (!flags.json) std::fputs(TextOf(found).c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

void AddDiscoverVerb(Command& root) {
  Command& verb =
      root.AddVerb("discover", "Coordinators that offer themselves here");
  auto flags = std::make_shared<DiscoverFlags>();
  verb.AddFlag({.names = "--seconds",
                .value = "N",
                .help = "How long to wait for answers (2)"},
               SetUint(&flags->seconds, 1, kSecondsMax));
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  AddOfferPortFlag(verb, &flags->port);
  verb.SetDetails(
      "Asks this network (UDP, not beyond a router) and lists what answers, "
      "with\n"
      "the line to type for each. An answer proves nothing: what a worker "
      "joins is\n"
      "checked with the token, which its owner gives out. The exit code is 1 "
      "if\n"
      "nobody answers.\n\n"
      "Example:\n  shoal discover --seconds 5");
  verb.SetRunner([flags] { return Discover(*flags); });
}

}  // namespace shoal::cli

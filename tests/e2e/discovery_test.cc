// Coordinators that a device finds by asking the network: an offer, and no more
// than that.

#include <arpa/inet.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "discovery/multicast.h"
#include "discovery/offerer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "security/fleet_secrets.h"
#include "tests/e2e/cable.h"
#include "tests/e2e/fleet_processes.h"

namespace shoal {
namespace {

using cli::Program;
using cli::ProgramOptions;
using cli::ProgramResult;
using nlohmann::json;
using ::testing::AllOf;
using testing::Cable;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ReadWaiting;

// Of no socket just now; offerers share theirs anyway.
uint16_t FreeUdpPort() {
  const auto socket = discovery::OpenUdp({}, 0, /*is_shared=*/false);
  EXPECT_TRUE(socket.ok()) << socket.status();
  return ntohs(discovery::OwnAddress(socket->get())->sin_port);
}

class DiscoveryTest : public testing::FleetProcessesTest {
 protected:
  DiscoveryTest() {
    const auto made =
        security::CreateFleetSecrets(cache_.File("home"), "the home fleet");
    EXPECT_TRUE(made.ok()) << made.status();
    token_ = made->token.ToText();
    authority_ = *security::FingerprintOf(made->authority.certificate_pem);
  }

  // One that waits for a worker.
  static std::vector<std::string> Waiting(
      const std::string& host, const std::vector<std::string>& more) {
    std::vector<std::string> words =
        StoryRun({"--max-tokens", "4", "--temperature", "0", "--listen",
                  host + ":0", "--expect", "1"});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::vector<std::string> Home(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"--secrets", cache_.File("home"),
                                      "--offer-port", port_};
    words.insert(words.end(), more.begin(), more.end());
    return Waiting("127.0.0.1", words);
  }
  ProgramOptions On(const std::vector<std::string>& launcher) const {
    ProgramOptions options = Environment();
    options.launcher = launcher;
    return options;
  }
  ProgramResult Discover(std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {"discover", "--seconds", "1", "--offer-port", port_});
    return Run(more);
  }

  const std::string port_ = absl::StrCat(FreeUdpPort());
  std::string token_;
  security::Fingerprint authority_;
};

TEST_F(DiscoveryTest, TheLineOfAnOfferJoinsWithTheOwnersToken) {
  Program coordinator(Home({}), Environment());
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(coordinator).port);
  const ProgramResult found = Discover({"--json"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(found.out, Not(HasSubstr(token_.substr(10, 20))));
  const json offers = json::parse(found.out)["offers"];
  ASSERT_EQ(offers.size(), 1u) << found.out;
  EXPECT_EQ(offers[0]["name"], "the home fleet");
  EXPECT_EQ(offers[0]["address"], address);
  EXPECT_EQ(offers[0]["authority"],
            absl::BytesToHexString(absl::string_view(
                reinterpret_cast<const char*>(authority_.data()),
                authority_.size())));
  EXPECT_EQ(offers[0]["fits"], true);
  const std::string line = absl::StrReplaceAll(
      offers[0]["join"].get<std::string>(), {{"TOKEN", token_}});
  std::vector<std::string> words = absl::StrSplit(line, ' ');
  ASSERT_EQ(words[0], "shoal");
  words.erase(words.begin());
  // The coordinator has this machine's name.
  words.insert(words.end(), {"--name", "pi"});
  Program worker(words, Environment());
  const ProgramResult told = coordinator.Wait();
  EXPECT_EQ(told.exit_code, 0) << told.err;
  EXPECT_FALSE(told.out.empty());
}

TEST_F(DiscoveryTest, AListForPeopleHasTheLineAndWhatItIsWorth) {
  Program coordinator(Home({}), Environment());
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(coordinator).port);
  const ProgramResult found = Discover();
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_THAT(
      found.out,
      AllOf(HasSubstr("the home fleet  " + address),
            HasSubstr("Anybody on the network can offer anything"),
            HasSubstr("  shoal worker --join " + address + "#TOKEN\n")));
}

TEST_F(DiscoveryTest, WhoOffersNothingIsNotFound) {
  Program coordinator(Home({"--no-offer"}), Environment());
  ReadWaiting(coordinator);
  const ProgramResult found = Discover({"--json"});
  EXPECT_EQ(found.exit_code, 1);
  EXPECT_EQ(json::parse(found.out)["offers"].size(), 0u);
  EXPECT_THAT(found.err, AllOf(HasSubstr("shoal: no coordinator answered"),
                               HasSubstr("an address works without")));
}

TEST_F(DiscoveryTest, AWorkerThatIsToldNobodySeesTheOffersAndJoinsNone) {
  Program coordinator(Home({"--join-timeout", "4s"}), Environment());
  const std::string address =
      absl::StrCat("127.0.0.1:", ReadWaiting(coordinator).port);
  ProgramOptions options = Environment();
  options.environment["SHOAL_TOKEN"] = token_;
  const ProgramResult worker =
      cli::RunProgram({"worker", "--offer-port", port_}, options);
  EXPECT_EQ(worker.exit_code, 2);
  EXPECT_THAT(worker.err,
              AllOf(HasSubstr("--join is missing"),
                    HasSubstr("unproven: the home fleet at " + address),
                    HasSubstr("shoal worker --join " + address + "#TOKEN")));
  const ProgramResult alone = coordinator.Wait();
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_THAT(alone.err, AllOf(HasSubstr("0 of 1 workers joined"),
                               Not(HasSubstr("refused"))));
}

// A liar has all that is public of the fleet, and its own coordinator.
TEST_F(DiscoveryTest, WhoFollowsAFalseOfferKeepsItsToken) {
  ASSERT_TRUE(security::CreateFleetSecrets(cache_.File("liar"), "liar").ok());
  Program liar(Waiting("127.0.0.1", {"--secrets", cache_.File("liar"),
                                     "--no-offer", "--join-timeout", "5s"}),
               Environment());
  const std::string port = ReadWaiting(liar).port;
  discovery::Offerer::Options lie;
  lie.offer.name = "the home fleet";
  lie.offer.authority = authority_;
  lie.offer.port = static_cast<uint16_t>(std::stoi(port));
  lie.listen_host = "127.0.0.1";
  lie.udp_port = static_cast<uint16_t>(std::stoi(port_));
  const auto offerer = discovery::Offerer::Start(lie);
  ASSERT_TRUE(offerer.ok()) << offerer.status();
  const ProgramResult found = Discover();
  const std::string address = "127.0.0.1:" + port;
  ASSERT_THAT(found.out,
              HasSubstr("shoal worker --join " + address + "#TOKEN"));
  const ProgramResult worker =
      Run({"worker", "--join", absl::StrCat(address, "#", token_)});
  EXPECT_EQ(worker.exit_code, 1);
  EXPECT_THAT(worker.err, HasSubstr("the coordinator at " + address +
                                    " is not the one that the token is for"));
  // A token of another fleet would be refused there, and told.
  EXPECT_THAT(liar.Wait().err, AllOf(HasSubstr("0 of 1 workers joined"),
                                     Not(HasSubstr("refused"))));
}

TEST_F(DiscoveryTest, ATakenUdpPortIsToldAndWorkersJoinAnyway) {
  const auto taken = discovery::OpenUdp({}, 0, /*is_shared=*/false);
  ASSERT_TRUE(taken.ok()) << taken.status();
  const int port = ntohs(discovery::OwnAddress(taken->get())->sin_port);
  Program coordinator(
      Waiting("127.0.0.1", {"--secrets", cache_.File("home"), "--offer-port",
                            absl::StrCat(port)}),
      Environment());
  const std::string tcp_port = ReadWaiting(coordinator).port;
  EXPECT_THAT(coordinator.so_far().err,
              AllOf(HasSubstr("note: shoal discover will not find this "
                              "coordinator"),
                    HasSubstr(absl::StrCat("UDP port ", port))));
  Program worker({"worker", "--name", "pi", "--join",
                  absl::StrCat("127.0.0.1:", tcp_port, "#", token_)},
                 Environment());
  EXPECT_EQ(coordinator.Wait().exit_code, 0);
}

// With the port that everybody has.
TEST_F(DiscoveryTest, ADeviceFindsTheCoordinatorOfAnother) {
  const auto cable = Cable::Plug();
  if (!cable.ok()) GTEST_SKIP() << cable.status().message();
  const std::string secrets = cache_.File("home");
  const std::string host = (*cable)->AddressOf(1);
  Program coordinator(Waiting(host, {"--secrets", secrets}),
                      On((*cable)->Launcher(1)));
  const std::string port = ReadWaiting(coordinator).port;
  // What listens on loopback alone is for its own machine.
  Program loopback(Waiting("127.0.0.1", {"--secrets", secrets}),
                   On((*cable)->Launcher(1)));
  const std::string own_port = ReadWaiting(loopback).port;
  const auto addresses = [&](int device) {
    const ProgramResult found =
        cli::RunProgram({"discover", "--seconds", "1", "--json"},
                        On((*cable)->Launcher(device)));
    EXPECT_EQ(found.exit_code, 0) << found.err;
    std::vector<std::string> all;
    const json offers = json::parse(found.out)["offers"];
    for (const json& offer : offers) {
      all.push_back(offer["address"]);
    }
    return all;
  };
  EXPECT_THAT(addresses(2), ::testing::ElementsAre(host + ":" + port));
  EXPECT_THAT(addresses(1), ::testing::ElementsAre(host + ":" + port,
                                                   "127.0.0.1:" + own_port));
}

}  // namespace
}  // namespace shoal

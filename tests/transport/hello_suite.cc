// How links come to be, and who is refused; network_suite.h says who runs it.

#include <gmock/gmock.h>

#include <future>
#include <map>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "tests/transport/network_suite.h"

namespace shoal::transport {
namespace {

using ::shoal::testing::OptionsForRank;
using ::testing::HasSubstr;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

void ExpectError(const absl::Status& status, absl::StatusCode code,
                 const std::string& text) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

// Rank 0 listens for rank 1; `stranger` dials in first.
struct Refusal {
  absl::Status stranger;
  absl::StatusOr<std::unique_ptr<ChannelGroup>> listener;
  absl::StatusOr<std::unique_ptr<ChannelGroup>> peer;
};

Refusal DialAsStranger(NetworkFactory& factory,
                       const NetworkOptions& stranger_options) {
  auto listener = factory.Make(OptionsForRank(0, 2));
  auto peer = factory.Make(OptionsForRank(1, 2));
  auto stranger = factory.Make(stranger_options);
  const auto endpoints = listener->Listen();
  EXPECT_TRUE(endpoints.ok()) << endpoints.status();
  EXPECT_TRUE(peer->Listen().ok());
  EXPECT_TRUE(stranger->Listen().ok());
  const std::map<uint32_t, std::string> dial = {{0, endpoints->at(1)}};
  Refusal refusal;
  auto listening = std::async(std::launch::async,
                              [&] { return listener->Connect({}, Soon()); });
  refusal.stranger = stranger->Connect(dial, Soon()).status();
  refusal.peer = peer->Connect(dial, Soon());
  refusal.listener = listening.get();
  return refusal;
}

void ExpectLinkWorks(Refusal& refusal) {
  ASSERT_TRUE(refusal.listener.ok()) << refusal.listener.status();
  ASSERT_TRUE(refusal.peer.ok()) << refusal.peer.status();
  FrameHeader header;
  header.pass = 42;
  ASSERT_TRUE((*refusal.peer)->To(0).Send(header, {}, Soon()).ok());
  const auto frame = (*refusal.listener)->To(1).Receive(Soon());
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->header.pass, 42u);
}

TEST_P(NetworkTest, StrangerWithAWrongKeyIsRefusedAndThePeerStillLinks) {
  NetworkOptions options = OptionsForRank(1, 2);
  options.link_key[15] = std::byte{0};
  Refusal refusal = DialAsStranger(*factory_, options);
  ExpectError(refusal.stranger, absl::StatusCode::kPermissionDenied,
              "rank 0 (device-0) refused us: showed a wrong link key");
  ExpectLinkWorks(refusal);
}

TEST_P(NetworkTest, DialerOfAnotherEpochIsRefused) {
  NetworkOptions options = OptionsForRank(1, 2);
  options.epoch = 6;
  Refusal refusal = DialAsStranger(*factory_, options);
  ExpectError(refusal.stranger, absl::StatusCode::kFailedPrecondition,
              "refused us: is at epoch 6, wanted 7");
  ExpectLinkWorks(refusal);
}

TEST_P(NetworkTest, DialerOfAnotherRankIsRefused) {
  NetworkOptions options = OptionsForRank(2, 3);
  options.peers.erase(1);
  Refusal refusal = DialAsStranger(*factory_, options);
  ExpectError(refusal.stranger, absl::StatusCode::kInvalidArgument,
              "refused us: says that it is rank 2, wanted 1");
  ExpectLinkWorks(refusal);
}

TEST_P(NetworkTest, DialerWithAnotherPayloadLimitIsRefused) {
  NetworkOptions options = OptionsForRank(1, 2);
  options.payload_bytes_max = 5000;
  Refusal refusal = DialAsStranger(*factory_, options);
  ExpectError(refusal.stranger, absl::StatusCode::kInvalidArgument,
              "refused us: has payload_bytes_max 5000, wanted 1048576");
  ExpectLinkWorks(refusal);
}

// So a peer that lost its link cannot slip back in: that would hide lost
// frames.
TEST_P(NetworkTest, WhoDialsAnEstablishedLinkIsIgnored) {
  auto listener = factory_->Make(OptionsForRank(0, 2));
  auto peer = factory_->Make(OptionsForRank(1, 2));
  auto second = factory_->Make(OptionsForRank(1, 2));
  const auto endpoints = listener->Listen();
  ASSERT_TRUE(endpoints.ok()) << endpoints.status();
  ASSERT_TRUE(peer->Listen().ok());
  ASSERT_TRUE(second->Listen().ok());
  const std::map<uint32_t, std::string> dial = {{0, endpoints->at(1)}};
  auto listening = std::async(std::launch::async,
                              [&] { return listener->Connect({}, Soon()); });
  Refusal links;
  links.peer = peer->Connect(dial, Soon());
  links.listener = listening.get();
  EXPECT_FALSE(
      second->Connect(dial, absl::Now() + absl::Milliseconds(100)).ok());
  ExpectLinkWorks(links);
  (*links.peer).reset();
  auto third = factory_->Make(OptionsForRank(1, 2));
  ASSERT_TRUE(third->Listen().ok());
  EXPECT_FALSE(
      third->Connect(dial, absl::Now() + absl::Milliseconds(100)).ok());
  ExpectError((*links.listener)->To(1).Receive(Soon()).status(),
              absl::StatusCode::kUnavailable, "rank 1 (device-1) closed");
}

TEST_P(NetworkTest, PeerThatDoesNotDialIsNamed) {
  auto network = factory_->Make(OptionsForRank(0, 2));
  ASSERT_TRUE(network->Listen().ok());
  ExpectError(
      network->Connect({}, absl::Now() + absl::Milliseconds(50)).status(),
      absl::StatusCode::kDeadlineExceeded,
      "rank 1 (device-1) did not dial in time");
}

TEST_P(NetworkTest, PeerThatDoesNotAnswerIsNamed) {
  auto listener = factory_->Make(OptionsForRank(0, 2));
  auto dialer = factory_->Make(OptionsForRank(1, 2));
  const auto endpoints = listener->Listen();
  ASSERT_TRUE(endpoints.ok()) << endpoints.status();
  ASSERT_TRUE(dialer->Listen().ok());
  ExpectError(dialer
                  ->Connect({{0, endpoints->at(1)}},
                            absl::Now() + absl::Milliseconds(50))
                  .status(),
              absl::StatusCode::kDeadlineExceeded,
              "rank 0 (device-0) did not answer in time");
}

TEST_P(NetworkTest, EndpointsAreChecked) {
  auto network = factory_->Make(OptionsForRank(1, 2));
  ASSERT_TRUE(network->Listen().ok());
  ExpectError(network->Connect({}, Soon()).status(),
              absl::StatusCode::kInvalidArgument,
              "no endpoint given for rank 0 (device-0)");
}

TEST_P(NetworkTest, EndpointWhereNobodyListensIsUnavailable) {
  auto network = factory_->Make(OptionsForRank(1, 2));
  ASSERT_TRUE(network->Listen().ok());
  ExpectError(
      network->Connect({{0, factory_->DeadEndpoint()}}, Soon()).status(),
      absl::StatusCode::kUnavailable, "rank 0 (device-0) cannot be reached");
}

TEST_P(NetworkTest, OptionsOutOfRangeAreNamed) {
  NetworkOptions options = OptionsForRank(0, 2);
  options.high_water_mark = 0;
  ExpectError(factory_->Make(options)->Listen().status(),
              absl::StatusCode::kInvalidArgument, "high_water_mark is 0");
  options = OptionsForRank(0, 2);
  options.payload_bytes_max = kPayloadBytesLimit + 1;
  ExpectError(factory_->Make(options)->Listen().status(),
              absl::StatusCode::kInvalidArgument, "payload_bytes_max is 1073");
  options = OptionsForRank(0, 2);
  options.shared_bytes = kPayloadBytesLimit + 1;
  ExpectError(factory_->Make(options)->Listen().status(),
              absl::StatusCode::kInvalidArgument, "shared_bytes is 1073");
  options = OptionsForRank(kRankLimit, 2);
  ExpectError(factory_->Make(options)->Listen().status(),
              absl::StatusCode::kInvalidArgument, "rank is 4096");
  options = OptionsForRank(0, 2);
  options.peers[0] = "myself";
  ExpectError(factory_->Make(options)->Listen().status(),
              absl::StatusCode::kInvalidArgument, "a peer's rank is 0");
}

}  // namespace
}  // namespace shoal::transport

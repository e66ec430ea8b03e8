// Offerers and who asks them, over loopback.

#include "discovery/offerer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "discovery/finder.h"
#include "discovery/multicast.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::discovery {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;

constexpr absl::Duration kShort = absl::Milliseconds(300);

Offer Named(const std::string& name, uint16_t port) {
  Offer offer;
  offer.name = name;
  offer.port = port;
  offer.program = "1";
  return offer;
}

std::unique_ptr<Offerer> Start(const Offer& offer, const std::string& host,
                               uint16_t udp_port = 0) {
  auto offerer = Offerer::Start({offer, host, udp_port});
  EXPECT_TRUE(offerer.ok()) << offerer.status();
  return offerer.ok() ? *std::move(offerer) : nullptr;
}

std::vector<FoundOffer> Find(uint16_t udp_port, absl::Duration time = kShort) {
  const auto found = FindOffers({.time = time, .udp_port = udp_port});
  EXPECT_TRUE(found.ok()) << found.status();
  return found.value_or(std::vector<FoundOffer>{});
}

// Who sends what it likes, and counts what comes back.
class Stranger {
 public:
  explicit Stranger(uint16_t udp_port) {
    auto socket = OpenUdp({htonl(INADDR_LOOPBACK)}, 0, false);
    EXPECT_TRUE(socket.ok()) << socket.status();
    socket_ = *std::move(socket);
    group_.sin_family = AF_INET;
    group_.sin_addr = GroupAddress();
    group_.sin_port = htons(udp_port);
    for (const Interface& one : Interfaces()) {
      if (one.address.s_addr == htonl(INADDR_LOOPBACK)) index_ = one.index;
    }
  }
  void Send(std::span<const std::byte> datagram) {
    EXPECT_EQ(SendThrough(socket_.get(), datagram, group_, index_,
                          {htonl(INADDR_LOOPBACK)}),
              absl::OkStatus());
  }
  // Until there is silence.
  int CountAnswers() {
    int count = 0;
    std::array<std::byte, kQuestionBytes> buffer;
    pollfd file = {socket_.get(), POLLIN, 0};
    while (poll(&file, 1, 300) > 0) {
      if (ReceiveFrom(socket_.get(), buffer)) ++count;
    }
    return count;
  }

 private:
  transport::UniqueFd socket_;
  sockaddr_in group_ = {};
  int index_ = 0;
};

TEST(OffererTest, IsFoundWithWhatItOffers) {
  Offer offer = Named("home", 7071);
  offer.protocol = 2;
  offer.authority = security::Fingerprint{1, 2, 3};
  const auto offerer = Start(offer, "127.0.0.1");
  EXPECT_THAT(Find(offerer->udp_port()),
              ElementsAre(FoundOffer{"127.0.0.1", offer}));
}

TEST(OffererTest, AnswersFromTheAddressThatItIsFor) {
  const auto offerer = Start(Named("home", 7071), "127.0.0.2");
  EXPECT_THAT(Find(offerer->udp_port()),
              ElementsAre(FoundOffer{"127.0.0.2", Named("home", 7071)}));
}

TEST(OffererTest, OneOfAllAddressesIsFoundHereToo) {
  const auto offerer = Start(Named("home", 7071), "0.0.0.0");
  EXPECT_THAT(Find(offerer->udp_port()),
              Contains(FoundOffer{"127.0.0.1", Named("home", 7071)}));
}

TEST(OffererTest, SeveralShareAPort) {
  const auto one = Start(Named("one", 7071), "127.0.0.1");
  const auto two = Start(Named("two", 7072), "127.0.0.1", one->udp_port());
  EXPECT_THAT(Find(one->udp_port()),
              ElementsAre(FoundOffer{"127.0.0.1", Named("one", 7071)},
                          FoundOffer{"127.0.0.1", Named("two", 7072)}));
}

TEST(OffererTest, IsFoundNoMoreWhenItHasEnded) {
  auto offerer = Start(Named("home", 7071), "127.0.0.1");
  const uint16_t port = offerer->udp_port();
  EXPECT_FALSE(Find(port).empty());
  offerer.reset();
  EXPECT_THAT(Find(port), IsEmpty());
}

TEST(OffererTest, AnswersQuestionsAlone) {
  const auto offerer = Start(Named("home", 7071), "127.0.0.1");
  Stranger stranger(offerer->udp_port());
  auto question = EncodeQuestion({});
  stranger.Send({});
  stranger.Send(std::span(question).first(kQuestionBytes - 1));
  stranger.Send(EncodeAnswer({{}, Named("home", 1)}));
  question.push_back({});
  stranger.Send(question);
  question.resize(kQuestionBytes * 8);
  stranger.Send(question);
  EXPECT_EQ(stranger.CountAnswers(), 0);
  question.resize(kQuestionBytes);
  stranger.Send(question);
  EXPECT_EQ(stranger.CountAnswers(), 1);
}

TEST(OffererTest, AnswersSoManyASecondAndNoMore) {
  const auto offerer = Start(Named("home", 7071), "127.0.0.1");
  Stranger stranger(offerer->udp_port());
  const auto question = EncodeQuestion({});
  for (int i = 0; i < 5 * Offerer::kAnswersPerSecond; ++i) {
    stranger.Send(question);
  }
  // A few more where this machine took its time over it.
  EXPECT_THAT(stranger.CountAnswers(),
              AllOf(Ge(Offerer::kAnswersPerSecond),
                    Le(2 * Offerer::kAnswersPerSecond)));
}

TEST(OffererTest, AnAnswerToAnotherQuestionIsNotTaken) {
  // A liar that knows the port of who asks, but has not seen the question.
  auto liar = OpenUdp(GroupAddress(), 0, true);
  ASSERT_TRUE(liar.ok()) << liar.status();
  for (const Interface& one : Interfaces()) {
    ASSERT_EQ(JoinGroup(liar->get(), one.index), absl::OkStatus());
  }
  const auto own = OwnAddress(liar->get());
  ASSERT_TRUE(own.ok());
  std::vector<FoundOffer> found;
  std::thread asker([&] { found = Find(ntohs(own->sin_port)); });
  pollfd file = {liar->get(), POLLIN, 0};
  ASSERT_GT(poll(&file, 1, 10000), 0);
  std::array<std::byte, kQuestionBytes> buffer;
  const auto arrival = ReceiveFrom(liar->get(), buffer);
  ASSERT_TRUE(arrival);
  EXPECT_EQ(
      SendThrough(liar->get(), EncodeAnswer({{1, 2, 3}, Named("liar", 666)}),
                  arrival->from, arrival->interface_index, {}),
      absl::OkStatus());
  asker.join();
  EXPECT_THAT(found, IsEmpty());
}

TEST(OffererTest, APortThatIsTakenIsAnError) {
  const auto taken = OpenUdp({}, 0, false);
  ASSERT_TRUE(taken.ok());
  const auto own = OwnAddress(taken->get());
  ASSERT_TRUE(own.ok());
  const auto offerer =
      Offerer::Start({Named("home", 7071), "127.0.0.1", ntohs(own->sin_port)});
  EXPECT_TRUE(absl::IsUnavailable(offerer.status())) << offerer.status();
  EXPECT_THAT(offerer.status().message(), HasSubstr("UDP port"));
}

TEST(OffererTest, AnAddressThatIsNotHereIsAnError) {
  for (const char* host : {"192.0.2.1", "::1"}) {
    const auto offerer = Offerer::Start({Named("home", 7071), host, 0});
    EXPECT_TRUE(absl::IsInvalidArgument(offerer.status())) << host;
  }
}

}  // namespace
}  // namespace shoal::discovery

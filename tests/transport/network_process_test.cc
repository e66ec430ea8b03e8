// Peers that die, hang or vanish, as real processes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/time/clock.h"
#include "tests/testing/connect_ranks.h"
#include "transport/tcp_network.h"
#include "transport/zmq_context.h"
#include "transport/zmq_network.h"

namespace shoal::transport {
namespace {

using ::shoal::testing::OptionsForRank;
using ::testing::HasSubstr;

constexpr size_t kEndpointBytes = 128;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

void WriteEndpoint(int fd, const std::string& endpoint) {
  std::array<char, kEndpointBytes> bytes{};
  endpoint.copy(bytes.data(), bytes.size() - 1);
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
}

std::string ReadEndpoint(int fd) {
  std::array<char, kEndpointBytes> bytes{};
  EXPECT_EQ(read(fd, bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
  return bytes.data();
}

enum class Kind { kTcp, kTcpSharing, kZmq };

// One rank of two that swap endpoints over `fd`.
struct Rank {
  Rank(Kind kind, uint32_t rank, int fd) {
    NetworkOptions options = OptionsForRank(rank, 2);
    options.silence_max = absl::Seconds(2);
    std::unique_ptr<Network> network;
    if (kind == Kind::kTcpSharing) options.shared_bytes = 1 << 20;
    if (kind != Kind::kZmq) {
      network = std::make_unique<TcpNetwork>(options);
    } else {
      context = *ZmqContext::Create();
      network = std::make_unique<ZmqNetwork>(*context, options);
    }
    std::map<uint32_t, std::string> endpoints = *network->Listen();
    if (rank == 0)
      WriteEndpoint(fd, endpoints.at(1));
    else
      endpoints[0] = ReadEndpoint(fd);
    group = *network->Connect(endpoints, Soon());
    peer = &group->To(1 - rank);
  }

  std::unique_ptr<ZmqContext> context;
  std::unique_ptr<ChannelGroup> group;
  Channel* peer;
};

// The transport, and the rank of the test's own process: 0 listens, 1 dials.
class NetworkProcessTest
    : public ::testing::TestWithParam<std::tuple<Kind, uint32_t>> {
 protected:
  static uint32_t OwnRank() { return std::get<1>(GetParam()); }

  // Starts a process that links with us, then runs `body`.
  void Fork(const std::function<void(Channel&)>& body) {
    std::array<int, 2> fds;
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body(*Rank(std::get<0>(GetParam()), 1 - OwnRank(), fds[1]).peer);
      _exit(0);
    }
    rank_ = std::make_unique<Rank>(std::get<0>(GetParam()), OwnRank(), fds[0]);
    close(fds[0]);
    close(fds[1]);
  }

  ~NetworkProcessTest() override {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  void ExpectGone(absl::Duration limit) {
    const absl::Time started = absl::Now();
    const absl::Status status = rank_->peer->Receive(Soon()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(PeerName()));
    EXPECT_LT(absl::Now() - started, limit);
  }

  static std::string PeerName() {
    return OwnRank() == 0 ? "rank 1 (device-1)" : "rank 0 (device-0)";
  }

  pid_t child_ = -1;
  std::unique_ptr<Rank> rank_;
};

INSTANTIATE_TEST_SUITE_P(Ranks, NetworkProcessTest,
                         ::testing::Combine(::testing::Values(Kind::kTcp,
                                                              Kind::kTcpSharing,
                                                              Kind::kZmq),
                                            ::testing::Values(0, 1)));

void Echo(Channel& channel) {
  for (;;) {
    const auto frame = channel.Receive(absl::InfiniteFuture());
    if (!frame.ok()) return;
    if (!channel.Send(frame->header, frame->payload, Soon()).ok()) return;
  }
}

TEST_P(NetworkProcessTest, LargeFramesComeBackAsTheyWere) {
  Fork(Echo);
  std::vector<std::byte> payload(100'000);
  for (int frame = 0; frame < 6; ++frame) {
    for (size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<std::byte>(i * (frame + 3) >> 4);
    }
    ASSERT_TRUE(rank_->peer->Send({}, payload, Soon()).ok());
    const auto answer = rank_->peer->Receive(Soon());
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_TRUE(absl::c_equal(answer->payload, payload)) << frame;
  }
  EXPECT_EQ(rank_->peer->bytes_shared() > 0,
            std::get<0>(GetParam()) == Kind::kTcpSharing);
}

TEST_P(NetworkProcessTest, KilledPeerIsUnavailableAtOnce) {
  Fork(Echo);
  ASSERT_TRUE(rank_->peer->Send({}, {}, Soon()).ok());
  ASSERT_TRUE(rank_->peer->Receive(Soon()).ok());
  kill(child_, SIGKILL);
  ExpectGone(absl::Seconds(1));
}

TEST_P(NetworkProcessTest, PeerThatExitsIsUnavailableAtOnce) {
  Fork([](Channel& channel) { channel.Receive(Soon()).IgnoreError(); });
  ASSERT_TRUE(rank_->peer->Send({}, {}, Soon()).ok());
  ExpectGone(absl::Seconds(1));
}

TEST_P(NetworkProcessTest, StoppedPeerMissesTheDeadlineAndMayGoOn) {
  Fork(Echo);
  kill(child_, SIGSTOP);
  ASSERT_TRUE(rank_->peer->Send({}, {}, Soon()).ok());
  const absl::Status status =
      rank_->peer->Receive(absl::Now() + absl::Milliseconds(300)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(PeerName() + " sent nothing for "));
  kill(child_, SIGCONT);
  EXPECT_TRUE(rank_->peer->Receive(Soon()).ok());
}

// From here on the process's TCP sockets hear nothing, not even what the kernel
// would answer: as if its machine had lost the network.
void GoDeaf() {
  sock_filter drop_all = {BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program = {1, &drop_all};
  for (int fd = 3; fd < 200; ++fd) {
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) continue;
    if (domain != AF_INET) continue;
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                   sizeof(program)) != 0) {
      _exit(1);
    }
    // Its own probes would end in a reset that tells the peer.
    const int off = 0;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off));
  }
}

void AnswerOnceAndGoDeaf(Channel& channel) {
  const auto frame = channel.Receive(Soon());
  if (!frame.ok() || !channel.Send({}, {}, Soon()).ok()) return;
  // The second frame shows that the answer has left.
  if (!channel.Receive(Soon()).ok()) return;
  GoDeaf();
  channel.Receive(absl::Now() + absl::Seconds(60)).IgnoreError();
}

TEST_P(NetworkProcessTest, SilentHostIsUnavailableWhileWeWait) {
  Fork(AnswerOnceAndGoDeaf);
  ASSERT_TRUE(rank_->peer->Send({}, {}, Soon()).ok());
  ASSERT_TRUE(rank_->peer->Receive(Soon()).ok());
  ASSERT_TRUE(rank_->peer->Send({}, {}, Soon()).ok());
  ExpectGone(absl::Seconds(5));
}

TEST_P(NetworkProcessTest, SilentHostIsUnavailableWithFramesUnderWay) {
  Fork(AnswerOnceAndGoDeaf);
  ASSERT_TRUE(rank_->peer->Send({}, {}, Soon()).ok());
  ASSERT_TRUE(rank_->peer->Receive(Soon()).ok());
  ASSERT_TRUE(rank_->peer->Send({}, {}, Soon()).ok());
  // Time for the peer to go deaf.
  EXPECT_FALSE(
      rank_->peer->Receive(absl::Now() + absl::Milliseconds(300)).ok());
  ASSERT_TRUE(rank_->peer->Send({}, std::vector<std::byte>(1000), Soon()).ok());
  ExpectGone(absl::Seconds(6));
}

}  // namespace
}  // namespace shoal::transport

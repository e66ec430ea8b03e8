#include "transport/in_memory_network.h"

#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "transport/hello.h"
#include "transport/memory_pipe.h"

namespace shoal::transport {
namespace {

struct Link {
  Link(uint32_t dialer, uint32_t listener, size_t message_count_max)
      : dialer_rank(dialer),
        listener_rank(listener),
        to_dialer(message_count_max),
        to_listener(message_count_max) {}

  void Close() {
    to_dialer.Close();
    to_listener.Close();
  }
  void Break() {
    to_dialer.Break();
    to_listener.Break();
  }

  const uint32_t dialer_rank;
  const uint32_t listener_rank;
  MemoryPipe to_dialer;
  MemoryPipe to_listener;
};

// Where one rank waits for one peer.
class Acceptor {
 public:
  explicit Acceptor(uint32_t listener_rank) : listener_rank_(listener_rank) {}
  ~Acceptor() {
    base::MutexLock lock(mutex_);
    for (const auto& link : waiting_) link->Close();
  }

  uint32_t listener_rank() const { return listener_rank_; }

  void Add(std::shared_ptr<Link> link) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    waiting_.push_back(std::move(link));
    changed_.NotifyAll();
  }

  // Nothing: the deadline passed.
  std::shared_ptr<Link> Next(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    while (waiting_.empty()) {
      if (absl::Now() >= deadline) return nullptr;
      changed_.WaitUntil(mutex_, deadline);
    }
    std::shared_ptr<Link> link = std::move(waiting_.front());
    waiting_.pop_front();
    return link;
  }

 private:
  const uint32_t listener_rank_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::shared_ptr<Link>> waiting_ ABSL_GUARDED_BY(mutex_);
};

// "rank 2 (kitchen)"
std::string Describe(const NetworkOptions& options, uint32_t peer) {
  return absl::StrCat("rank ", peer, " (", options.peers.at(peer), ")");
}

}  // namespace

class InMemoryNetwork::Hub {
 public:
  explicit Hub(uint64_t seed) : seed_(seed) {}

  uint64_t seed() const { return seed_; }

  std::string Listen(std::shared_ptr<Acceptor> acceptor)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    const std::string endpoint = absl::StrCat("memory://", ++endpoint_count_);
    acceptors_[endpoint] = std::move(acceptor);
    return endpoint;
  }

  void StopListening(const std::string& endpoint) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    acceptors_.erase(endpoint);
  }

  // Null: nobody listens there.
  std::shared_ptr<Link> Dial(const std::string& endpoint, uint32_t rank,
                             size_t message_count_max)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    const auto it = acceptors_.find(endpoint);
    if (it == acceptors_.end()) return nullptr;
    auto link = std::make_shared<Link>(rank, it->second->listener_rank(),
                                       message_count_max);
    std::erase_if(links_, [](const auto& old) { return old.expired(); });
    links_.push_back(link);
    it->second->Add(link);
    return link;
  }

  LinkFaults faults(uint32_t from, uint32_t to) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    const auto it = faults_.find({from, to});
    return it == faults_.end() ? LinkFaults{} : it->second;
  }

  void SetFaults(uint32_t from, uint32_t to, const LinkFaults& faults)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    faults_[{from, to}] = faults;
  }

  void Kill(uint32_t rank) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(mutex_);
    for (const auto& weak : links_) {
      const std::shared_ptr<Link> link = weak.lock();
      if (link != nullptr &&
          (link->dialer_rank == rank || link->listener_rank == rank)) {
        link->Break();
      }
    }
  }

 private:
  const uint64_t seed_;
  base::Mutex mutex_;
  uint64_t endpoint_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::shared_ptr<Acceptor>> acceptors_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<uint32_t, uint32_t>, LinkFaults> faults_
      ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Link>> links_ ABSL_GUARDED_BY(mutex_);
};

class InMemoryNetwork::MemoryChannel final : public Channel {
 public:
  MemoryChannel(const Options& options, std::shared_ptr<Hub> hub,
                std::shared_ptr<Link> link)
      : Channel(options),
        rank_(options.rank),
        hub_(std::move(hub)),
        link_(std::move(link)),
        in_(link_->dialer_rank == rank_ ? link_->to_dialer
                                        : link_->to_listener),
        out_(link_->dialer_rank == rank_ ? link_->to_listener
                                         : link_->to_dialer) {
    std::seed_seq seed{hub_->seed(), epoch(), uint64_t{rank_},
                       uint64_t{peer_rank()}};
    random_.seed(seed);
  }
  ~MemoryChannel() override { link_->Close(); }

 protected:
  absl::Status SendBytes(std::span<const std::byte, kFrameHeaderBytes> header,
                         std::span<const std::byte> payload,
                         absl::Time deadline) override {
    MemoryPipe::Message message(header, payload);
    const LinkFaults faults = hub_->faults(rank_, peer_rank());
    // One draw of each kind per frame, used or not: a fault that is switched on
    // does not move the others.
    const bool cut = Draw() < faults.cut;
    const bool drop = Draw() < faults.drop;
    const bool corrupt = Draw() < faults.corrupt;
    const bool reorder = Draw() < faults.reorder;
    const double delay = Draw();
    const size_t bit = random_() % (message.byte_count * 8);
    if (frame_count_++ < faults.spared_frame_count)
      return out_.Push(std::move(message), abort(), deadline);
    if (cut) link_->Break();
    if (drop) return absl::OkStatus();
    if (corrupt)
      message.bytes()[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    if (faults.delay_max > absl::ZeroDuration())
      message.deliver_at = absl::Now() + delay * faults.delay_max;
    if (reorder && !held_.has_value()) {
      held_ = std::move(message);
      return absl::OkStatus();
    }
    SHOAL_RETURN_IF_ERROR(out_.Push(std::move(message), abort(), deadline));
    if (held_.has_value()) out_.PushOver(*std::exchange(held_, std::nullopt));
    return absl::OkStatus();
  }

  absl::StatusOr<std::span<const std::byte>> ReceiveBytes(
      absl::Time deadline) override {
    SHOAL_ASSIGN_OR_RETURN(received_, in_.Pop(abort(), deadline));
    return received_.bytes();
  }

 private:
  double Draw() { return static_cast<double>(random_()) * 0x1p-64; }

  const uint32_t rank_;
  const std::shared_ptr<Hub> hub_;
  const std::shared_ptr<Link> link_;
  MemoryPipe& in_;
  MemoryPipe& out_;
  MemoryPipe::Message received_;
  std::mt19937_64 random_;
  uint64_t frame_count_ = 0;
  std::optional<MemoryPipe::Message> held_;  // to go after the next one
};

class InMemoryNetwork::RankNetwork final : public Network {
 public:
  RankNetwork(std::shared_ptr<Hub> hub, const NetworkOptions& options)
      : hub_(std::move(hub)), options_(options) {}
  ~RankNetwork() override {
    for (const auto& [rank, endpoint] : endpoints_)
      hub_->StopListening(endpoint);
  }

  absl::StatusOr<std::map<uint32_t, std::string>> Listen() override {
    SHOAL_RETURN_IF_ERROR(CheckOptions(options_));
    for (const auto& [peer, name] : options_.peers) {
      if (peer < options_.rank) continue;
      acceptors_[peer] = std::make_shared<Acceptor>(options_.rank);
      endpoints_[peer] = hub_->Listen(acceptors_[peer]);
    }
    return endpoints_;
  }

  absl::StatusOr<std::unique_ptr<ChannelGroup>> Connect(
      const std::map<uint32_t, std::string>& endpoints,
      absl::Time deadline) override {
    std::map<uint32_t, std::shared_ptr<Link>> links;
    const absl::Status status = ConnectLinks(endpoints, deadline, links);
    if (!status.ok()) {
      for (const auto& [peer, link] : links) link->Close();
      return status;
    }
    return MakeGroup(links);
  }

 private:
  absl::Status ConnectLinks(const std::map<uint32_t, std::string>& endpoints,
                            absl::Time deadline,
                            std::map<uint32_t, std::shared_ptr<Link>>& links) {
    // Every hello goes out before any is awaited, else ranks that wait for each
    // other in a circle would wait for ever.
    for (const auto& [peer, name] : options_.peers) {
      if (peer > options_.rank) continue;
      SHOAL_ASSIGN_OR_RETURN(auto link, Dial(endpoints, peer));
      links.emplace(peer, std::move(link));
    }
    for (const auto& [peer, acceptor] : acceptors_) {
      SHOAL_ASSIGN_OR_RETURN(auto link, Accept(*acceptor, peer, deadline));
      links.emplace(peer, std::move(link));
    }
    for (const auto& [peer, link] : links) {
      if (peer > options_.rank) continue;
      SHOAL_RETURN_IF_ERROR(AwaitHello(*link, peer, deadline));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<Link>> Dial(
      const std::map<uint32_t, std::string>& endpoints, uint32_t peer) {
    const auto endpoint = endpoints.find(peer);
    if (endpoint == endpoints.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("no endpoint given for ", Describe(options_, peer)));
    }
    // As with sockets, both ends of a direction have a queue.
    std::shared_ptr<Link> link = hub_->Dial(endpoint->second, options_.rank,
                                            2 * options_.high_water_mark);
    if (link == nullptr) {
      return absl::UnavailableError(
          absl::StrCat(Describe(options_, peer), " cannot be reached at ",
                       endpoint->second, ": nobody listens there"));
    }
    link->to_listener.PushOver(MemoryPipe::Message(EncodeHello(options_), {}));
    return link;
  }

  absl::StatusOr<std::shared_ptr<Link>> Accept(Acceptor& acceptor,
                                               uint32_t peer,
                                               absl::Time deadline) {
    std::string refused;
    for (;;) {
      const std::shared_ptr<Link> link = acceptor.Next(deadline);
      if (link == nullptr) {
        return absl::DeadlineExceededError(absl::StrCat(
            Describe(options_, peer), " did not dial in time", refused));
      }
      const absl::Status hello = ReadHello(link->to_listener, peer, deadline);
      if (hello.ok()) {
        link->to_dialer.PushOver(
            MemoryPipe::Message(EncodeHello(options_), {}));
        return link;
      }
      SHOAL_LOG(kWarning, "refused who dialled as ", Describe(options_, peer),
                ": it ", hello.message());
      refused = absl::StrCat("; refused one that ", hello.message());
      link->to_dialer.PushOver(
          MemoryPipe::Message(EncodeRefusal(options_, hello), {}));
      link->Close();
    }
  }

  absl::Status AwaitHello(Link& link, uint32_t peer, absl::Time deadline) {
    const absl::Status hello = ReadHello(link.to_dialer, peer, deadline);
    if (hello.ok()) return hello;
    return absl::Status(
        hello.code(),
        absl::StrCat(Describe(options_, peer), " ",
                     absl::IsDeadlineExceeded(hello) ? "did not answer in time"
                                                     : hello.message()));
  }

  absl::Status ReadHello(MemoryPipe& pipe, uint32_t peer, absl::Time deadline) {
    SHOAL_ASSIGN_OR_RETURN(MemoryPipe::Message message,
                           pipe.Pop(*abort_, deadline));
    return CheckHello(message.bytes(), options_, peer);
  }

  std::unique_ptr<ChannelGroup> MakeGroup(
      const std::map<uint32_t, std::shared_ptr<Link>>& links) {
    std::map<uint32_t, std::unique_ptr<Channel>> channels;
    for (const auto& [peer, link] : links) {
      Channel::Options options;
      options.rank = options_.rank;
      options.peer_rank = peer;
      options.peer_name = options_.peers.at(peer);
      options.epoch = options_.epoch;
      options.payload_bytes_max = options_.payload_bytes_max;
      options.abort = abort_;
      channels[peer] = std::make_unique<MemoryChannel>(options, hub_, link);
    }
    return std::make_unique<ChannelGroup>(
        options_.rank, options_.epoch, std::move(channels), abort_, [links] {
          for (const auto& [peer, link] : links) {
            link->to_dialer.Wake();
            link->to_listener.Wake();
          }
        });
  }

  const std::shared_ptr<Hub> hub_;
  const NetworkOptions options_;
  const std::shared_ptr<AbortState> abort_ = std::make_shared<AbortState>();
  std::map<uint32_t, std::shared_ptr<Acceptor>> acceptors_;
  std::map<uint32_t, std::string> endpoints_;
};

InMemoryNetwork::InMemoryNetwork(uint64_t seed)
    : hub_(std::make_shared<Hub>(seed)) {}

InMemoryNetwork::~InMemoryNetwork() = default;

std::unique_ptr<Network> InMemoryNetwork::Join(const NetworkOptions& options) {
  return std::make_unique<RankNetwork>(hub_, options);
}

void InMemoryNetwork::SetFaults(uint32_t from_rank, uint32_t to_rank,
                                const LinkFaults& faults) {
  hub_->SetFaults(from_rank, to_rank, faults);
}

void InMemoryNetwork::Kill(uint32_t rank) { hub_->Kill(rank); }

}  // namespace shoal::transport

#include "worker/rank_session.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "proto/fleet_protocol.h"
#include "worker/fleet_convert.h"

namespace shoal::worker {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(200);
// A coordinator sends three commands for a plan.
constexpr size_t kCommandCountMax = 64;
// Events in one answer: a few hundred KiB.
constexpr uint32_t kTracePartMax = 8192;

uint64_t EpochOf(const proto::CoordinatorMessage& command) {
  switch (command.kind_case()) {
    case proto::CoordinatorMessage::kLoad:
      return command.load().epoch();
    case proto::CoordinatorMessage::kConnect:
      return command.connect().epoch();
    case proto::CoordinatorMessage::kServe:
      return command.serve().epoch();
    default:
      return 0;
  }
}

}  // namespace

RankSession::RankSession(Options options, parallel::Rank& rank)
    : options_(std::move(options)), rank_(rank) {
  runner_ = std::thread([this] { Run(); });
}

RankSession::~RankSession() {
  EndEpoch(std::numeric_limits<uint64_t>::max(),
           absl::CancelledError("the coordinator is gone"));
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    commands_.clear();
    changed_.NotifyAll();
  }
  runner_.join();
  Unload();
}

void RankSession::OnMessage(const proto::CoordinatorMessage& message) {
  switch (message.kind_case()) {
    case proto::CoordinatorMessage::kLoad:
      // A load replaces the plan before.
      EndEpoch(message.load().epoch() - 1,
               absl::CancelledError("another model is loaded"));
      Enqueue(message);
      return;
    case proto::CoordinatorMessage::kConnect:
    case proto::CoordinatorMessage::kServe:
      Enqueue(message);
      return;
    case proto::CoordinatorMessage::kAbort:
      EndEpoch(message.abort().epoch(),
               FailureFromProto(message.abort().reason()));
      return;
    case proto::CoordinatorMessage::kUnload:
      EndEpoch(message.unload().epoch(),
               absl::CancelledError("the coordinator unloaded the model"));
      Enqueue(message);
      return;
    case proto::CoordinatorMessage::kAskReport: {
      proto::WorkerMessage answer;
      *answer.mutable_report() = ToProto(rank_.Report());
      answer.mutable_report()->set_request(message.ask_report().request());
      options_.send(answer);
      return;
    }
    case proto::CoordinatorMessage::kAskTrace: {
      const proto::AskTrace& ask = message.ask_trace();
      proto::WorkerMessage answer;
      *answer.mutable_trace() = ToProto(rank_.Trace(
          ask.first_event(), std::min(ask.event_count_max(), kTracePartMax)));
      answer.mutable_trace()->set_request(ask.request());
      answer.mutable_trace()->set_clock_ns(absl::GetCurrentTimeNanos());
      options_.send(answer);
      return;
    }
    default:
      return;
  }
}

void RankSession::Enqueue(const proto::CoordinatorMessage& message) {
  base::MutexLock lock(mutex_);
  if (commands_.size() >= kCommandCountMax) commands_.pop_front();
  commands_.push_back(message);
  changed_.NotifyAll();
}

void RankSession::EndEpoch(uint64_t epoch, const absl::Status& why) {
  std::shared_ptr<StoppableFetcher> fetcher;
  {
    base::MutexLock lock(mutex_);
    if (epoch <= ended_epoch_) return;
    ended_epoch_ = epoch;
    fetcher = fetcher_;
  }
  if (fetcher != nullptr) fetcher->Stop();
  rank_.Abort(why);
}

bool RankSession::Ended(uint64_t epoch) {
  base::MutexLock lock(mutex_);
  return epoch <= ended_epoch_;
}

void RankSession::Run() {
  while (true) {
    proto::CoordinatorMessage command;
    {
      base::MutexLock lock(mutex_);
      while (commands_.empty() && !stopping_) changed_.Wait(mutex_);
      if (stopping_) return;
      command = std::move(commands_.front());
      commands_.pop_front();
    }
    if (command.has_unload()) {
      Unload();
      continue;
    }
    const uint64_t epoch = EpochOf(command);
    if (Ended(epoch)) continue;
    const absl::Status done = Obey(command);
    if (done.ok() || Ended(epoch)) continue;
    Tell(absl::StrCat("failed: ", done.message()));
    SendFailed(epoch, done);
    // What waits for this plan is pointless, and its memory is given back.
    EndEpoch(epoch, done);
    Unload();
  }
}

void RankSession::Unload() {
  rank_.Unload();
  base::MutexLock lock(mutex_);
  fetcher_ = nullptr;
}

absl::Status RankSession::Obey(const proto::CoordinatorMessage& command) {
  switch (command.kind_case()) {
    case proto::CoordinatorMessage::kLoad:
      return Load(command.load());
    case proto::CoordinatorMessage::kConnect:
      return Connect(command.connect());
    default: {
      Tell("serving");
      const absl::Status served = rank_.Serve();
      if (!served.ok()) return served;
      return absl::InternalError("serving ended by itself");
    }
  }
}

absl::Status RankSession::Load(const proto::Load& load) {
  SHOAL_ASSIGN_OR_RETURN(const parallel::RankSetup setup, SetupFromProto(load));
  Tell(absl::StrCat("loading ", setup.model.name, " as rank ", setup.rank,
                    " of ", setup.plan.rank_count()));
  std::shared_ptr<StoppableFetcher> fetcher =
      options_.make_fetcher(load.epoch());
  // Of the plan before, whose units the rank may be mending until it loads.
  std::shared_ptr<StoppableFetcher> previous;
  {
    base::MutexLock lock(mutex_);
    previous = std::exchange(fetcher_, fetcher);
    if (load.epoch() <= ended_epoch_) fetcher->Stop();
  }
  absl::Time next = absl::InfinitePast();
  const absl::Status loaded =
      rank_.Load(setup, *fetcher, [&](const parallel::LoadProgress& progress) {
        const bool last = progress.bytes_done == progress.bytes_total;
        if (absl::Now() < next && !last) return;
        next = absl::Now() + kProgressInterval;
        proto::WorkerMessage message;
        proto::LoadProgress& sent = *message.mutable_load_progress();
        sent.set_epoch(load.epoch());
        sent.set_bytes_done(progress.bytes_done);
        sent.set_bytes_total(progress.bytes_total);
        sent.set_what(progress.what);
        options_.send(message);
      });
  SHOAL_RETURN_IF_ERROR(loaded);
  SHOAL_ASSIGN_OR_RETURN(const auto endpoints, rank_.Listen());
  proto::WorkerMessage message;
  message.mutable_loaded()->set_epoch(load.epoch());
  for (const auto& [rank, endpoint] : endpoints) {
    (*message.mutable_loaded()->mutable_endpoints())[rank] = endpoint;
  }
  options_.send(message);
  return absl::OkStatus();
}

absl::Status RankSession::Connect(const proto::Connect& connect) {
  std::map<uint32_t, std::string> endpoints(connect.endpoints().begin(),
                                            connect.endpoints().end());
  if (const auto rank0 = endpoints.find(0); rank0 != endpoints.end()) {
    const std::string reached =
        absl::StrCat("tcp://", proto::kReachedHost, ":");
    absl::string_view port = rank0->second;
    if (absl::ConsumePrefix(&port, reached)) {
      rank0->second =
          absl::StrCat("tcp://", options_.coordinator_host, ":", port);
    }
  }
  SHOAL_RETURN_IF_ERROR(rank_.Connect(
      endpoints, absl::Now() + absl::Milliseconds(connect.timeout_ms())));
  proto::WorkerMessage message;
  message.mutable_connected()->set_epoch(connect.epoch());
  options_.send(message);
  return absl::OkStatus();
}

void RankSession::SendFailed(uint64_t epoch, const absl::Status& status) {
  proto::WorkerMessage message;
  message.mutable_failed()->set_epoch(epoch);
  *message.mutable_failed()->mutable_status() = ToProto(status);
  options_.send(message);
}

void RankSession::Tell(absl::string_view line) const {
  if (options_.on_event) options_.on_event(line);
}

}  // namespace shoal::worker

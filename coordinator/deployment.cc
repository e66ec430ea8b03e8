#include "coordinator/deployment.h"

#include <limits>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "coordinator/fleet_convert.h"
#include "proto/fleet.pb.h"

namespace shoal::coordinator {

// Ends rank 0's loading when another rank has failed.
class Deployment::StoppableFetcher final : public parallel::UnitFetcher {
 public:
  explicit StoppableFetcher(parallel::UnitFetcher& fetcher)
      : fetcher_(fetcher) {}

  void Stop() { stopped_ = true; }

  absl::Status Fetch(
      std::span<const Item> items,
      absl::FunctionRef<absl::Status(const Unit&)> sink) override {
    return fetcher_.Fetch(items, [&](const Unit& unit) -> absl::Status {
      if (stopped_) return absl::CancelledError("loading was given up");
      return sink(unit);
    });
  }

 private:
  parallel::UnitFetcher& fetcher_;
  std::atomic<bool> stopped_ = false;
};

Deployment::Deployment(Options options, parallel::Rank& rank0,
                       parallel::UnitFetcher& fetcher,
                       std::vector<std::shared_ptr<RemoteWorker>> workers)
    : options_(std::move(options)),
      rank0_(rank0),
      workers_(std::move(workers)),
      fetcher_(std::make_unique<StoppableFetcher>(fetcher)) {
  epoch_ = std::make_shared<Epoch>(
      options_.plan.epoch, options_.plan.device_names, options_.cause_wait,
      [this](const absl::Status& why) { AbortAll(why); });
}

Deployment::~Deployment() { End(); }

parallel::RankSetup Deployment::SetupOf(uint32_t rank) const {
  parallel::RankSetup setup;
  setup.rank = rank;
  setup.plan = options_.plan;
  setup.model = options_.model;
  setup.options = options_.run;
  setup.budget_bytes = options_.budget_bytes[rank];
  setup.fixed_bytes = options_.fixed_bytes[rank];
  setup.link_secret = options_.link_secret;
  return setup;
}

void Deployment::AbortAll(const absl::Status& why) {
  fetcher_->Stop();
  proto::CoordinatorMessage message;
  message.mutable_abort()->set_epoch(epoch_->number());
  *message.mutable_abort()->mutable_reason() = ToProto(why);
  for (const auto& worker : workers_) worker->Send(message);
  rank0_.Abort(why);
}

void Deployment::LoadRank0() {
  const auto run = [this]() -> absl::StatusOr<Epoch::Endpoints> {
    SHOAL_RETURN_IF_ERROR(rank0_.Load(
        SetupOf(0), *fetcher_, [this](const parallel::LoadProgress& progress) {
          epoch_->OnProgress(0, progress);
        }));
    return rank0_.Listen();
  };
  auto endpoints = run();
  if (endpoints.ok()) {
    epoch_->OnLoaded(0, *std::move(endpoints));
  } else {
    epoch_->OnFailure(0, FailureSource::kRank0, endpoints.status());
  }
}

absl::Status Deployment::Link(const std::vector<Epoch::Endpoints>& endpoints) {
  const absl::Time deadline = absl::Now() + options_.connect_timeout;
  const auto rank_count = static_cast<uint32_t>(endpoints.size());
  // Where each rank finds the ranks below it.
  std::vector<Epoch::Endpoints> to_dial(rank_count);
  for (uint32_t listener = 0; listener < rank_count; ++listener) {
    for (const auto& [dialler, endpoint] : endpoints[listener]) {
      if (dialler >= rank_count) {
        return absl::InvalidArgumentError(absl::StrCat(
            options_.plan.device_names[listener], " (rank ", listener,
            ") listens for rank ", dialler, "; there are ", rank_count));
      }
      to_dial[dialler][listener] = endpoint;
    }
  }
  for (uint32_t rank = 1; rank < rank_count; ++rank) {
    proto::CoordinatorMessage message;
    proto::Connect& connect = *message.mutable_connect();
    connect.set_epoch(epoch_->number());
    connect.set_timeout_ms(static_cast<uint32_t>(
        absl::ToInt64Milliseconds(options_.connect_timeout)));
    for (const auto& [listener, endpoint] : to_dial[rank]) {
      (*connect.mutable_endpoints())[listener] = endpoint;
    }
    workers_[rank - 1]->Send(message);
  }
  std::thread rank0([&] {
    const absl::Status connected = rank0_.Connect(to_dial[0], deadline);
    if (connected.ok()) {
      epoch_->OnConnected(0);
    } else {
      epoch_->OnFailure(0, FailureSource::kRank0, connected);
    }
  });
  const absl::Status linked = epoch_->AwaitConnected(deadline);
  if (!linked.ok()) rank0_.Abort(linked);
  rank0.join();
  return linked;
}

absl::Status Deployment::Carry(
    const std::function<void(const DeviceProgress&)>& on_progress,
    const std::atomic<bool>* cancel) {
  for (uint32_t rank = 1; rank <= workers_.size(); ++rank) {
    workers_[rank - 1]->Attach(epoch_, rank);
    proto::CoordinatorMessage message;
    *message.mutable_load() = ToProto(SetupOf(rank));
    workers_[rank - 1]->Send(message);
  }
  std::thread rank0([this] { LoadRank0(); });
  const auto endpoints = epoch_->AwaitLoaded(
      options_.load_silence_timeout,
      [&](const Epoch::Progress& progress) {
        if (!on_progress) return;
        on_progress({options_.plan.device_names[progress.rank], progress.rank,
                     progress.load});
      },
      cancel);
  if (!endpoints.ok()) AbortAll(endpoints.status());
  rank0.join();
  SHOAL_RETURN_IF_ERROR(endpoints.status());
  SHOAL_RETURN_IF_ERROR(Link(*endpoints));
  proto::CoordinatorMessage serve;
  serve.mutable_serve()->set_epoch(epoch_->number());
  for (const auto& worker : workers_) worker->Send(serve);
  return absl::OkStatus();
}

absl::Status Deployment::Start(
    const std::function<void(const DeviceProgress&)>& on_progress,
    const std::atomic<bool>* cancel) {
  const absl::Status started = Carry(on_progress, cancel);
  if (!started.ok()) End();
  return started;
}

absl::Status Deployment::RunPass(const parallel::Pass& pass,
                                 std::span<const float> residual,
                                 std::span<float> logits) {
  if (failed() || ended_) {
    const absl::Status why = failure();
    return absl::FailedPreconditionError(
        absl::StrCat("the model is not running any more: ",
                     why.ok() ? "it was unloaded" : why.message()));
  }
  const absl::Status done = rank0_.RunPass(pass, residual, logits);
  if (done.ok()) return absl::OkStatus();
  epoch_->OnFailure(0, FailureSource::kRank0, done);
  return epoch_->Cause();
}

std::vector<parallel::RankReport> Deployment::Reports(absl::Time deadline) {
  std::vector<parallel::RankReport> reports;
  reports.push_back(rank0_.Report());
  reports.front().rank = 0;
  reports.front().name = options_.plan.device_names[0];
  // All are asked before any is waited for.
  std::vector<std::optional<parallel::RankReport>> answers(workers_.size());
  std::vector<std::thread> askers;
  for (size_t i = 0; i < workers_.size(); ++i) {
    askers.emplace_back(
        [&, i] { answers[i] = workers_[i]->AskReport(deadline); });
  }
  for (std::thread& asker : askers) asker.join();
  for (auto& answer : answers) {
    if (answer) reports.push_back(*std::move(answer));
  }
  return reports;
}

std::vector<RankTrace> Deployment::Traces(absl::Duration answer_timeout) {
  const auto now_ns = [] { return absl::GetCurrentTimeNanos(); };
  std::vector<RankTrace> traces;
  base::TraceRecorder::Part own =
      rank0_.Trace(0, std::numeric_limits<uint32_t>::max());
  RankTrace& first = traces.emplace_back();
  first.name = options_.plan.device_names[0];
  first.events = std::move(own.events);
  first.dropped = own.dropped;
  for (const auto& worker : workers_) {
    auto trace = CollectTrace(
        [&](uint64_t event, uint32_t count_max) {
          return worker->AskTrace(event, count_max,
                                  absl::Now() + answer_timeout);
        },
        now_ns);
    if (!trace) continue;
    trace->name = worker->name();
    trace->rank = worker->rank().value_or(0);
    traces.push_back(*std::move(trace));
  }
  return traces;
}

void Deployment::End() {
  if (ended_) return;
  ended_ = true;
  epoch_->Close();
  proto::CoordinatorMessage message;
  message.mutable_unload()->set_epoch(epoch_->number());
  for (const auto& worker : workers_) {
    worker->Detach();
    worker->Send(message);
  }
  rank0_.Unload();
}

}  // namespace shoal::coordinator

#include "coordinator/remote_worker.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "coordinator/fleet_convert.h"
#include "proto/fleet.pb.h"

namespace shoal::coordinator {
namespace {

// Hands one message of a plan to the plan's epoch; others are none of these.
void Deliver(const proto::WorkerMessage& message, uint32_t rank, Epoch& epoch) {
  switch (message.kind_case()) {
    case proto::WorkerMessage::kLoadProgress: {
      const proto::LoadProgress& progress = message.load_progress();
      if (progress.epoch() != epoch.number()) return;
      epoch.OnProgress(rank, {progress.bytes_done(), progress.bytes_total(),
                              progress.what()});
      return;
    }
    case proto::WorkerMessage::kLoaded: {
      const proto::Loaded& loaded = message.loaded();
      if (loaded.epoch() != epoch.number()) return;
      epoch.OnLoaded(rank, Epoch::Endpoints(loaded.endpoints().begin(),
                                            loaded.endpoints().end()));
      return;
    }
    case proto::WorkerMessage::kConnected:
      if (message.connected().epoch() != epoch.number()) return;
      epoch.OnConnected(rank);
      return;
    case proto::WorkerMessage::kFailed:
      if (message.failed().epoch() != epoch.number()) return;
      epoch.OnFailure(rank, FailureSource::kWorker,
                      FailureFromProto(message.failed().status()));
      return;
    default:
      return;
  }
}

}  // namespace

std::string HostOfPeer(const std::string& peer) {
  const size_t kind = peer.find(':');
  const size_t port = peer.rfind(':');
  if (kind == std::string::npos || kind == port) return "";
  std::string host =
      absl::StrReplaceAll(peer.substr(kind + 1, port - kind - 1),
                          {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
  return std::string(absl::StripPrefix(host, "::ffff:"));
}

RemoteWorker::RemoteWorker(Info info, std::shared_ptr<WorkerLink> link)
    : info_(std::move(info)), link_(std::move(link)), heard_(absl::Now()) {}

void RemoteWorker::OnMessage(const proto::WorkerMessage& message) {
  std::shared_ptr<Epoch> epoch;
  uint32_t rank = 0;
  {
    base::MutexLock lock(mutex_);
    heard_ = absl::Now();
    if (message.has_report()) {
      TakeReport(message.report());
      changed_.NotifyAll();
      return;
    }
    if (message.has_trace()) {
      answered_ = message.trace().request();
      trace_.reset();
      auto part = TraceFromProto(message.trace());
      if (part.ok()) trace_ = {*std::move(part), message.trace().clock_ns()};
      changed_.NotifyAll();
      return;
    }
    if (message.has_answer()) {
      const auto asked = inquiries_.find(message.answer().request());
      if (asked != inquiries_.end()) {
        asked->second = std::make_shared<proto::Answer>(message.answer());
      }
      changed_.NotifyAll();
      return;
    }
    epoch = epoch_;
    rank = rank_;
  }
  if (epoch != nullptr) Deliver(message, rank, *epoch);
}

void RemoteWorker::TakeReport(const proto::Report& report) {
  answered_ = report.request();
  if (!latest_) latest_.emplace();
  latest_->report = ReportFromProto(report);
  latest_->received = heard_;
  // What a worker calls itself does not count, but what it joined as.
  latest_->report.name = info_.profile.name;
  latest_->report.rank = rank_;
  if (answered_ == requested_) {
    latest_->round_trip = heard_ - requested_time_;
  }
}

std::string RemoteWorker::WhatToCheck() const {
  const std::string host = HostOfPeer(info_.peer);
  return absl::StrCat(
      "check that ", host.empty() ? name() : host, " and ",
      info_.listen_port.empty()
          ? std::string("this device")
          : absl::StrCat("port ", info_.listen_port, " of this device"),
      " reach each other, both ways");
}

void RemoteWorker::OnLost(const absl::Status& why) {
  std::shared_ptr<Epoch> epoch;
  uint32_t rank = 0;
  {
    base::MutexLock lock(mutex_);
    if (!loss_.ok()) return;
    loss_ = why;
    epoch = epoch_;
    rank = rank_;
    changed_.NotifyAll();
  }
  if (epoch != nullptr) epoch->OnFailure(rank, FailureSource::kLost, why);
}

void RemoteWorker::Attach(std::shared_ptr<Epoch> epoch, uint32_t rank) {
  absl::Status loss;
  {
    base::MutexLock lock(mutex_);
    epoch_ = epoch;
    rank_ = rank;
    loss = loss_;
  }
  if (!loss.ok()) epoch->OnFailure(rank, FailureSource::kLost, loss);
}

void RemoteWorker::Detach() {
  base::MutexLock lock(mutex_);
  epoch_ = nullptr;
}

std::optional<uint32_t> RemoteWorker::rank() const {
  base::MutexLock lock(mutex_);
  if (epoch_ == nullptr) return std::nullopt;
  return rank_;
}

void RemoteWorker::RequestReport() {
  base::MutexLock asking(ask_mutex_);
  {
    base::MutexLock lock(mutex_);
    if (answered_ < requested_) return;
    requested_ = asked_ + 1;
    requested_time_ = absl::Now();
  }
  proto::CoordinatorMessage message;
  Ask(message);
}

std::optional<RemoteWorker::LatestReport> RemoteWorker::latest_report() const {
  base::MutexLock lock(mutex_);
  return latest_;
}

std::optional<parallel::RankReport> RemoteWorker::AskReport(
    absl::Time deadline) {
  uint64_t request = 0;
  {
    base::MutexLock asking(ask_mutex_);
    proto::CoordinatorMessage message;
    request = Ask(message);
  }
  base::MutexLock lock(mutex_);
  if (!AwaitAnswer(request, deadline) || !latest_) return std::nullopt;
  return latest_->report;
}

std::optional<RemoteWorker::TraceAnswer> RemoteWorker::AskTrace(
    uint64_t first_event, uint32_t event_count_max, absl::Time deadline) {
  proto::CoordinatorMessage message;
  proto::AskTrace& ask = *message.mutable_ask_trace();
  ask.set_first_event(first_event);
  ask.set_event_count_max(event_count_max);
  uint64_t request = 0;
  {
    base::MutexLock asking(ask_mutex_);
    request = Ask(message);
  }
  base::MutexLock lock(mutex_);
  if (!AwaitAnswer(request, deadline)) return std::nullopt;
  return std::exchange(trace_, std::nullopt);
}

std::shared_ptr<const proto::Answer> RemoteWorker::Inquire(
    const proto::Inquiry& inquiry, absl::Time deadline) {
  proto::CoordinatorMessage message;
  *message.mutable_inquiry() = inquiry;
  uint64_t request = 0;
  {
    base::MutexLock lock(mutex_);
    request = ++inquired_;
    inquiries_[request] = nullptr;
  }
  message.mutable_inquiry()->set_request(request);
  link_->Send(message);
  base::MutexLock lock(mutex_);
  while (inquiries_[request] == nullptr && loss_.ok() &&
         absl::Now() < deadline) {
    changed_.WaitUntil(mutex_, deadline);
  }
  std::shared_ptr<const proto::Answer> answer = std::move(inquiries_[request]);
  inquiries_.erase(request);
  return answer;
}

uint64_t RemoteWorker::Ask(proto::CoordinatorMessage& message) {
  uint64_t request = 0;
  {
    base::MutexLock lock(mutex_);
    request = ++asked_;
  }
  if (message.has_ask_trace()) {
    message.mutable_ask_trace()->set_request(request);
  } else {
    message.mutable_ask_report()->set_request(request);
  }
  link_->Send(message);
  return request;
}

bool RemoteWorker::AwaitAnswer(uint64_t request, absl::Time deadline) {
  while (answered_ < request) {
    if (!loss_.ok() || absl::Now() >= deadline) return false;
    changed_.WaitUntil(mutex_, deadline);
  }
  return true;
}

bool RemoteWorker::lost() const {
  base::MutexLock lock(mutex_);
  return !loss_.ok();
}

absl::Time RemoteWorker::heard() const {
  base::MutexLock lock(mutex_);
  return heard_;
}

}  // namespace shoal::coordinator

#include "coordinator/membership.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "coordinator/fleet_convert.h"
#include "proto/fleet.pb.h"
#include "proto/fleet_protocol.h"

namespace shoal::coordinator {
namespace {

constexpr size_t kNewsMax = 64;
constexpr size_t kWorkerCountMax = 1024;
constexpr size_t kKnownCountMax = 4 * kWorkerCountMax;
constexpr absl::Duration kCancelLook = absl::Milliseconds(100);

proto::CoordinatorMessage HeartbeatMessage() {
  proto::CoordinatorMessage message;
  message.mutable_heartbeat();
  return message;
}

}  // namespace

bool TokensMatch(absl::string_view expected, absl::string_view shown) {
  volatile unsigned difference = expected.size() == shown.size() ? 0 : 1;
  for (size_t i = 0; i < shown.size(); ++i) {
    const char wanted = expected.empty() ? 0 : expected[i % expected.size()];
    difference = difference | static_cast<unsigned char>(wanted ^ shown[i]);
  }
  return difference == 0;
}

Membership::Membership(Options options) : options_(std::move(options)) {
  watcher_ = std::thread([this] { Watch(); });
}

Membership::~Membership() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  watcher_.join();
}

absl::Status Membership::JudgeProof(const proto::Hello& hello,
                                    const std::string& certificate_name) const {
  if (!certificate_name.empty()) {
    if (certificate_name == hello.profile().name()) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("its certificate is for a device ", certificate_name,
                     "; a device of another name joins with the token"));
  }
  if (hello.token().size() > proto::kTokenBytesMax ||
      (!options_.token.empty() &&
       !TokensMatch(options_.token, hello.token()))) {
    return absl::PermissionDeniedError(
        "the join token is not the coordinator's; give the worker the same "
        "one (--token-file)");
  }
  return absl::OkStatus();
}

absl::Status Membership::Judge(const proto::Hello& hello,
                               const std::string& certificate_name,
                               bool& retry) {
  retry = false;
  if (hello.protocol_version() != proto::kFleetProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the worker speaks protocol version ", hello.protocol_version(),
        ", the coordinator version ", proto::kFleetProtocolVersion,
        "; install the same shoal on both"));
  }
  SHOAL_RETURN_IF_ERROR(JudgeProof(hello, certificate_name));
  SHOAL_RETURN_IF_ERROR(ProfileFromProto(hello.profile()).status());
  retry = true;
  const std::vector<std::string>& names = options_.device_names;
  if (!names.empty() && PlaceOf(hello.profile().name()) == names.size()) {
    return absl::NotFoundError(absl::StrCat(
        "the cluster file of the coordinator has no device ",
        hello.profile().name(), " (it has ", absl::StrJoin(names, ", "),
        "); start the worker with --name, or add the device to the file"));
  }
  base::MutexLock lock(mutex_);
  if (stopping_) return absl::UnavailableError("the coordinator is ending");
  if (workers_.size() >= kWorkerCountMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the fleet has ", kWorkerCountMax, " workers already, the most"));
  }
  return NameIsFree(hello.profile().name());
}

size_t Membership::PlaceOf(const std::string& name) const {
  const std::vector<std::string>& names = options_.device_names;
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) -
                             names.begin());
}

absl::Status Membership::NameIsFree(const std::string& name) const {
  if (name != options_.coordinator_name && !IsHere(name)) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(
      absl::StrCat("a device named ", name,
                   " is in the fleet already; give this one another --name"));
}

void Membership::Note(Severity severity, absl::string_view device,
                      absl::string_view text, absl::string_view command) const {
  if (options_.events != nullptr) {
    options_.events->Add(severity, device, text, command);
  }
}

void Membership::Refuse(const std::string& device, absl::string_view peer,
                        const absl::Status& why, bool retry, WorkerLink& link) {
  proto::CoordinatorMessage message;
  *message.mutable_refusal()->mutable_status() = ToProto(why);
  message.mutable_refusal()->set_protocol_version(proto::kFleetProtocolVersion);
  message.mutable_refusal()->set_retry(retry);
  link.Send(message);
  OnRefused(device, peer, why);
}

void Membership::SetListenPort(const std::string& port) {
  base::MutexLock lock(mutex_);
  listen_port_ = port;
}

void Membership::OnRefused(const std::string& device, absl::string_view peer,
                           const absl::Status& why) {
  SHOAL_LOG(kInfo, "refused ", device, " at ", peer, ": ", why.message());
  Note(Severity::kWarning, device, absl::StrCat("refused: ", why.message()));
  base::MutexLock lock(mutex_);
  last_refusal_ = why;
  last_refused_ = device;
  if (news_.size() < kNewsMax) news_.push_back({device, why, 0, 0});
  changed_.NotifyAll();
}

std::shared_ptr<RemoteWorker> Membership::Admit(
    const proto::Hello& hello, absl::string_view peer,
    std::shared_ptr<WorkerLink> link, const std::string& certificate_name) {
  bool retry = false;
  const auto profile = ProfileFromProto(hello.profile());
  const std::string device =
      profile.ok() ? profile->name : std::string("a device");
  absl::Status verdict = Judge(hello, certificate_name, retry);
  if (verdict.ok()) {
    base::MutexLock lock(mutex_);
    verdict = NameIsFree(device);  // another thread may have been faster
    if (verdict.ok()) {
      RemoteWorker::Info info;
      info.profile = *profile;
      info.program_version = hello.program_version().substr(0, 64);
      info.order = hello.order();
      info.session_key = (uint64_t{random_()} << 32) | random_();
      info.peer = std::string(peer);
      info.listen_port = listen_port_;
      proto::CoordinatorMessage message;
      proto::Welcome& welcome = *message.mutable_welcome();
      welcome.set_protocol_version(proto::kFleetProtocolVersion);
      welcome.set_coordinator_name(options_.coordinator_name);
      welcome.set_heartbeat_interval_ms(static_cast<uint32_t>(
          absl::ToInt64Milliseconds(options_.heartbeat_interval)));
      welcome.set_heartbeat_timeout_ms(static_cast<uint32_t>(
          absl::ToInt64Milliseconds(options_.heartbeat_timeout)));
      welcome.set_session_key(info.session_key);
      link->Send(message);
      auto worker = std::make_shared<RemoteWorker>(std::move(info), link);
      workers_.push_back(worker);
      if (known_.size() < kKnownCountMax) known_.insert(device);
      last_join_ = absl::Now();
      if (news_.size() < kNewsMax) {
        news_.push_back({device, absl::OkStatus(), 0, 0});
      }
      changed_.NotifyAll();
      SHOAL_LOG(kInfo, device, " joined from ", peer);
      Note(Severity::kInfo, device, "joined");
      return worker;
    }
  }
  Refuse(device, peer, verdict, retry, *link);
  return nullptr;
}

void Membership::Remove(const std::shared_ptr<RemoteWorker>& worker,
                        const absl::Status& why) {
  {
    base::MutexLock lock(mutex_);
    std::erase(workers_, worker);
    changed_.NotifyAll();
  }
  SHOAL_LOG(kInfo, "lost ", worker->name(), ": ", why.message());
  Note(worker->rank() ? Severity::kError : Severity::kWarning, worker->name(),
       absl::StrCat("lost: ", why.message()), "shoal nodes");
  worker->OnLost(why);
}

std::vector<std::shared_ptr<RemoteWorker>> Membership::workers() const {
  std::vector<std::shared_ptr<RemoteWorker>> workers;
  {
    base::MutexLock lock(mutex_);
    workers = workers_;
  }
  const auto key = [this](const auto& worker) {
    const RemoteWorker::Info& info = worker->info();
    return std::tuple(PlaceOf(worker->name()), info.order, worker->name());
  };
  std::sort(workers.begin(), workers.end(),
            [&key](const auto& a, const auto& b) { return key(a) < key(b); });
  return workers;
}

void Membership::SetDrainedLocked(const std::string& device, bool is_drained) {
  if (is_drained) {
    drained_.insert(device);
  } else {
    drained_.erase(device);
  }
  changed_.NotifyAll();
}

void Membership::SetDrained(const std::string& device, bool is_drained) {
  base::MutexLock lock(mutex_);
  SetDrainedLocked(device, is_drained);
}

bool Membership::SetDrainedIfAway(const std::string& device, bool is_drained) {
  base::MutexLock lock(mutex_);
  if (IsHere(device)) return false;
  SetDrainedLocked(device, is_drained);
  return true;
}

std::set<std::string> Membership::drained() const {
  base::MutexLock lock(mutex_);
  return drained_;
}

std::set<std::string> Membership::known_devices() const {
  base::MutexLock lock(mutex_);
  return known_;
}

std::vector<std::shared_ptr<RemoteWorker>> Membership::active_workers() const {
  std::vector<std::shared_ptr<RemoteWorker>> active = workers();
  const std::set<std::string> drained = this->drained();
  std::erase_if(active, [&drained](const auto& worker) {
    return drained.contains(worker->name());
  });
  return active;
}

uint32_t Membership::ActiveCount() const {
  return static_cast<uint32_t>(std::count_if(
      workers_.begin(), workers_.end(), [this](const auto& worker) {
        return !drained_.contains(worker->name());
      }));
}

uint32_t Membership::WithoutDrained(uint32_t count) const {
  return count - std::min(count, static_cast<uint32_t>(drained_.size()));
}

bool Membership::HasSession(uint64_t session_key) const {
  base::MutexLock lock(mutex_);
  return std::any_of(workers_.begin(), workers_.end(),
                     [session_key](const auto& worker) {
                       return worker->info().session_key == session_key;
                     });
}

bool Membership::IsHere(const std::string& name) const {
  return std::any_of(
      workers_.begin(), workers_.end(),
      [&name](const auto& worker) { return worker->name() == name; });
}

std::vector<std::string> Membership::Missing(
    const std::vector<std::string>& names) const {
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    if (!drained_.contains(name) && !IsHere(name)) missing.push_back(name);
  }
  return missing;
}

absl::Status Membership::LateError(const JoinWish& wish) const {
  const std::vector<std::string> missing = Missing(wish.names);
  std::string text =
      absl::StrCat(ActiveCount(), " of ",
                   WithoutDrained(static_cast<uint32_t>(
                       std::max<size_t>(wish.count, wish.names.size()))),
                   " workers joined in time");
  if (!missing.empty()) {
    absl::StrAppend(&text, "; missing: ", absl::StrJoin(missing, ", "));
  }
  if (!last_refusal_.ok()) {
    absl::StrAppend(&text, "; refused ", last_refused_, ": ",
                    last_refusal_.message());
  } else {
    absl::StrAppend(&text, "; start the others with `shoal worker --join`");
    if (!listen_port_.empty()) {
      absl::StrAppend(&text, ", and check that they reach port ", listen_port_,
                      " of this device (a firewall?)");
    }
  }
  return absl::DeadlineExceededError(text);
}

absl::Status Membership::WaitFor(
    const JoinWish& wish, absl::Time deadline,
    const std::function<void(const JoinProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  while (true) {
    std::deque<JoinProgress> news;
    {
      base::MutexLock lock(mutex_);
      const uint32_t joined = ActiveCount();
      news.swap(news_);
      for (JoinProgress& item : news) {
        item.joined = joined;
        item.expected = static_cast<uint32_t>(
            std::max<size_t>(wish.count, wish.names.size()));
      }
      if (news.empty()) {
        const absl::Time now = absl::Now();
        const bool enough =
            joined >= WithoutDrained(wish.count) && Missing(wish.names).empty();
        const absl::Time settled = last_join_ + wish.settle;
        if (enough &&
            (joined >= WithoutDrained(wish.count_max) || now >= settled)) {
          return absl::OkStatus();
        }
        if (cancel != nullptr && cancel->load()) {
          return absl::CancelledError("interrupted while waiting for workers");
        }
        if (now >= deadline && !enough) return LateError(wish);
        changed_.WaitUntil(mutex_, now + kCancelLook);
      }
    }
    if (!progress) continue;
    for (const JoinProgress& item : news) progress(item);
  }
}

void Membership::Watch() {
  const proto::CoordinatorMessage heartbeat = HeartbeatMessage();
  absl::Time next = absl::Now();
  while (true) {
    std::vector<std::shared_ptr<RemoteWorker>> members;
    {
      base::MutexLock lock(mutex_);
      while (!stopping_ && absl::Now() < next) {
        changed_.WaitUntil(mutex_, next);
      }
      if (stopping_) return;
      members = workers_;
    }
    next = absl::Now() + options_.heartbeat_interval;
    for (const auto& worker : members) {
      worker->Send(heartbeat);
      const absl::Duration silent = absl::Now() - worker->heard();
      if (silent <= options_.heartbeat_timeout) continue;
      worker->OnLost(absl::UnavailableError(absl::StrCat(
          "no answer for ",
          absl::FormatDuration(absl::Trunc(silent, absl::Milliseconds(100))),
          ": it hangs, its network is cut, or packets get lost "
          "one way; ",
          worker->WhatToCheck())));
      worker->Cancel();
    }
  }
}

void Membership::Shutdown() {
  std::vector<std::shared_ptr<RemoteWorker>> members;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    members = workers_;
    changed_.NotifyAll();
  }
  proto::CoordinatorMessage message;
  message.mutable_shutdown();
  for (const auto& worker : members) worker->Send(message);
}

}  // namespace shoal::coordinator

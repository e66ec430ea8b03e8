#include "coordinator/fleet_changes.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace shoal::coordinator {
namespace {

using Kind = FleetChange::Kind;

// How often it is asked whether the service is ended, while requests finish.
constexpr absl::Duration kLookInterval = absl::Milliseconds(300);

std::set<std::string> After(const FleetChange& change,
                            std::set<std::string> drained) {
  if (change.kind == Kind::kDrain) drained.insert(change.device);
  if (change.kind == Kind::kResume) drained.erase(change.device);
  return drained;
}

std::string Refusal(const FleetChange& change, const absl::Status& why) {
  const std::string tail = absl::StrCat(why.message(), "; nothing was changed");
  switch (change.kind) {
    case Kind::kDrain:
      return absl::StrCat(absl::IsResourceExhausted(why)
                              ? "the model would not fit without "
                              : "no plan is possible without ",
                          change.device, ": ", tail);
    case Kind::kResume:
      return absl::StrCat("no plan is possible with ", change.device, ": ",
                          tail);
    case Kind::kReplan:
      break;
  }
  return absl::StrCat("no new plan is possible: ", tail);
}

std::string Done(const FleetChange& change) {
  switch (change.kind) {
    case Kind::kDrain:
      return "drained by an operator";
    case Kind::kResume:
      return "takes part again, as an operator asked";
    case Kind::kReplan:
      break;
  }
  return "planned again, as an operator asked";
}

}  // namespace

std::string Naming(const FleetChange& change) {
  switch (change.kind) {
    case Kind::kDrain:
      return absl::StrCat("draining ", change.device);
    case Kind::kResume:
      return absl::StrCat("resuming ", change.device);
    case Kind::kReplan:
      break;
  }
  return "planning again";
}

FleetChanges::FleetChanges(Options options, Coordinator& coordinator,
                           RequestQueue& queue)
    : options_(std::move(options)), coordinator_(coordinator), queue_(queue) {}

absl::Status FleetChanges::Ask(const FleetChange& change,
                               const ChangeNews& on_news) {
  auto asked = std::make_shared<Asked>();
  asked->change = change;
  bool is_away = false;
  {
    base::MutexLock lock(mutex_);
    if (closed_) return absl::UnavailableError("the service is ending");
    if (asked_ != nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("another change is in progress, ",
                       Naming(asked_->change), "; try again when it is done"));
    }
    is_away = !serving_;
    if (serving_) asked_ = asked;
  }
  if (is_away) return ChangeAway(change, on_news);
  queue_.Nudge();
  for (;;) {
    std::deque<std::string> news;
    std::optional<absl::Status> result;
    {
      base::MutexLock lock(mutex_);
      while (asked->news.empty() && !asked->result) changed_.Wait(mutex_);
      news.swap(asked->news);
      result = asked->result;
    }
    for (const std::string& line : news) on_news(line);
    if (result) return *result;
  }
}

absl::Status FleetChanges::ChangeAway(const FleetChange& change,
                                      const ChangeNews& on_news) {
  if (change.kind != Kind::kReplan) {
    SHOAL_RETURN_IF_ERROR(Check(change));
    const bool drains = change.kind == Kind::kDrain;
    if (coordinator_.SetDrainedIfAway(change.device, drains)) {
      const std::string done =
          drains
              ? "drained by an operator while it is away; nobody waits for it"
              : Done(change);
      Note(change, done);
      on_news(absl::StrCat(change.device, " ", done));
      return absl::OkStatus();
    }
  }
  return absl::FailedPreconditionError(absl::StrCat(
      queue_.state() == ServiceState::kFailed ? "the model is not running: "
                                              : "",
      queue_.reason().message(),
      "; try again when shoal status says that it is ready"));
}

absl::Status FleetChanges::Check(const FleetChange& change) const {
  if (change.kind == Kind::kReplan) return absl::OkStatus();
  const std::string& name = change.device;
  const std::vector<DeviceState> devices = coordinator_.devices();
  const std::set<std::string> drained = coordinator_.drained();
  const bool drains = change.kind == Kind::kDrain;
  if (name == devices[0].profile.name) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, " is the coordinator's own device, which is in every plan; ",
        drains ? "to spare it give it a small max_share in the cluster file"
               : "it is never drained"));
  }
  const std::set<std::string> known = coordinator_.known_devices();
  if (!known.contains(name)) {
    return absl::NotFoundError(absl::StrCat(
        "this fleet has no device ", name, " (it has ", devices[0].profile.name,
        known.empty() ? "" : ", ", absl::StrJoin(known, ", "), ")"));
  }
  if (drained.contains(name) == drains) {
    return absl::FailedPreconditionError(
        drains ? absl::StrCat(name, " is drained already; shoal resume ", name,
                              " takes it back")
               : absl::StrCat(name, " is not drained"));
  }
  const bool others =
      devices[0].profile.computes ||
      std::any_of(devices.begin() + 1, devices.end(), [&](const auto& device) {
        return device.profile.name != name && !device.is_drained;
      });
  if (drains && !others) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, " is the last device that computes; start another one first"));
  }
  return absl::OkStatus();
}

absl::Status FleetChanges::CarryOut(const FleetChange& change,
                                    const std::atomic<bool>* cancel,
                                    absl::Status& fault) {
  SHOAL_RETURN_IF_ERROR(Check(change));
  const std::set<std::string> drained = After(change, coordinator_.drained());
  const std::vector<DeviceState> devices = coordinator_.devices();
  const auto device = std::find_if(
      devices.begin(), devices.end(),
      [&](const auto& other) { return other.profile.name == change.device; });
  const bool is_here = device != devices.end();
  if (change.kind != Kind::kReplan &&
      (!is_here || (change.kind == Kind::kDrain && device->rank < 0))) {
    SetDrained(drained);
    Note(change, Done(change));
    Tell(absl::StrCat(
        change.device, " ", Done(change),
        is_here ? "; it had no part of the plan" : "; it is not here now"));
    return absl::OkStatus();
  }
  const absl::Status planned = options_.try_plan(drained);
  if (!planned.ok()) {
    return absl::Status(planned.code(), Refusal(change, planned));
  }
  coordinator_.AddEvent(Severity::kInfo, change.device,
                        absl::StrCat(Naming(change), ", as an operator asked"));
  Tell(absl::StrCat(Naming(change), ": planned"));
  queue_.Hold();
  AwaitRequests(change, cancel);
  if (cancel != nullptr && cancel->load()) {
    return absl::UnavailableError("the service is ending");
  }
  const bool parked = queue_.Park();
  fault = parked ? coordinator_.plan_failure() : queue_.reason();
  if (!fault.ok()) {
    return absl::Status(fault.code(),
                        absl::StrCat(Naming(change),
                                     " was given up, because the model is not "
                                     "running any more: ",
                                     fault.message()));
  }
  return Load(change, drained, fault);
}

// The plan is in force, and no pass runs.
absl::Status FleetChanges::Load(const FleetChange& change,
                                const std::set<std::string>& drained,
                                absl::Status& fault) {
  const std::set<std::string> before = coordinator_.drained();
  const std::vector<std::string> ranks = coordinator_.plan().device_names;
  SetDrained(drained);
  const absl::StatusOr<uint32_t> loaded = Reload();
  if (loaded.ok()) {
    queue_.SetReady(*loaded);
    Note(change, Done(change));
    Tell(absl::StrCat(change.device, change.device.empty() ? "" : " ",
                      Done(change)));
    return absl::OkStatus();
  }
  SetDrained(before);
  const std::string failed =
      absl::StrCat(Naming(change), " failed: ", loaded.status().message());
  coordinator_.AddEvent(Severity::kError, change.device, failed);
  const std::vector<DeviceState> here = coordinator_.devices();
  const bool all_are_here =
      std::all_of(ranks.begin(), ranks.end(), [&](const std::string& name) {
        return std::any_of(here.begin(), here.end(), [&](const auto& device) {
          return device.profile.name == name;
        });
      });
  // Of a device that was lost the owner knows whether to wait for it.
  fault = loaded.status();
  if (all_are_here && !absl::IsCancelled(fault)) {
    Tell(absl::StrCat(failed, "; loading as before"));
    const absl::StatusOr<uint32_t> again = Reload();
    fault = again.status();
    if (again.ok()) {
      queue_.SetReady(*again);
      return absl::Status(
          loaded.status().code(),
          absl::StrCat(failed, "; the devices from before serve again"));
    }
  }
  return absl::Status(loaded.status().code(), failed);
}

void FleetChanges::AwaitRequests(const FleetChange& change,
                                 const std::atomic<bool>* cancel) {
  const absl::Time deadline = absl::Now() + change.patience;
  uint32_t told = 0;
  while (queue_.state() == ServiceState::kReady &&
         (cancel == nullptr || !cancel->load())) {
    const absl::Time now = absl::Now();
    const uint32_t count = queue_.counters().active_count;
    if (count == 0) return;
    if (now >= deadline) {
      Tell(absl::StrCat(count, " of the requests go on with the new plan"));
      return;
    }
    if (count != std::exchange(told, count)) {
      Tell(absl::StrCat(
          "waiting for ", count, " request", count == 1 ? "" : "s",
          " under way, at most ",
          absl::FormatDuration(absl::Trunc(deadline - now, absl::Seconds(1)))));
    }
    queue_.AwaitIdle(std::min(deadline, now + kLookInterval));
  }
}

absl::StatusOr<uint32_t> FleetChanges::Reload() {
  std::map<std::string, std::string> said;
  return options_.reload([&](const DeviceProgress& progress) {
    std::string text =
        absl::StrCat("loading: ", progress.device, " ", progress.load.what);
    if (progress.load.bytes_total > 0) {
      absl::StrAppend(
          &text, " ",
          100 * progress.load.bytes_done / progress.load.bytes_total, " %");
    }
    if (std::exchange(said[progress.device], text) != text) Tell(text);
  });
}

void FleetChanges::SetDrained(const std::set<std::string>& drained) {
  for (const std::string& device : coordinator_.known_devices()) {
    coordinator_.SetDrained(device, drained.contains(device));
  }
}

void FleetChanges::Note(const FleetChange& change, const std::string& text) {
  coordinator_.AddEvent(Severity::kInfo, change.device, text,
                        change.kind == Kind::kDrain
                            ? absl::StrCat("shoal resume ", change.device)
                            : "");
  if (!options_.say) return;
  options_.say(
      absl::StrCat(change.device, change.device.empty() ? "" : ": ", text));
}

void FleetChanges::Tell(const std::string& line) {
  base::MutexLock lock(mutex_);
  if (asked_ == nullptr) return;
  // Of a client that reads slowly: it gets the newest.
  if (asked_->news.size() == kNewsMax) asked_->news.pop_front();
  asked_->news.push_back(line);
  changed_.NotifyAll();
}

absl::Status FleetChanges::Work(const std::atomic<bool>* cancel) {
  FleetChange change;
  {
    base::MutexLock lock(mutex_);
    if (asked_ == nullptr) return absl::OkStatus();
    change = asked_->change;
  }
  absl::Status fault;
  const absl::Status done = CarryOut(change, cancel, fault);
  if (!done.ok() && options_.say) {
    options_.say(absl::StrCat(Naming(change), ": ", done.message()));
  }
  End(done);
  return fault;
}

void FleetChanges::End(const absl::Status& result) {
  base::MutexLock lock(mutex_);
  if (asked_ == nullptr) return;
  asked_->result = result;
  asked_ = nullptr;
  changed_.NotifyAll();
}

void FleetChanges::SetServing() {
  base::MutexLock lock(mutex_);
  serving_ = true;
}

void FleetChanges::SetNotServing() {
  {
    base::MutexLock lock(mutex_);
    serving_ = false;
  }
  End(absl::FailedPreconditionError("the model is not running any more"));
}

void FleetChanges::Close() {
  {
    base::MutexLock lock(mutex_);
    closed_ = true;
  }
  End(absl::UnavailableError("the service is ending"));
}

}  // namespace shoal::coordinator

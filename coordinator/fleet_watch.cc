#include "coordinator/fleet_watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/fleet_snapshot.h"
#include "proto/operator.pb.h"

namespace shoal::coordinator {
namespace {

// Where nobody watches, while a model loads or generates, and else: an
// idle fleet shall cost nothing.
constexpr absl::Duration kBusyInterval = absl::Seconds(1);
constexpr absl::Duration kRestInterval = absl::Seconds(5);
// For answers to come before the look.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(50);
// An update that is due so soon need not wait for the snapshot after.
constexpr absl::Duration kEarly = absl::Milliseconds(60);

}  // namespace

FleetWatch::FleetWatch(Options options)
    : options_(std::move(options)),
      clock_(options_.clock == nullptr ? base::Clock::Real() : *options_.clock),
      start_(clock_.Now()),
      observer_(*options_.events) {
  thread_ = std::thread([this] { Run(); });
}

FleetWatch::~FleetWatch() { Close(); }

void FleetWatch::Close() {
  {
    base::MutexLock lock(mutex_);
    closing_ = true;
    clock_.NotifyAll(changed_);
  }
  if (!thread_.joinable()) return;
  thread_.join();
  Look(true);
}

absl::StatusOr<std::unique_ptr<FleetWatch::Watcher>> FleetWatch::Subscribe(
    double rate) {
  // Of no number the comparisons are false: kRateMin.
  const double clamped = rate > kRateMin ? std::min(rate, kRateMax) : kRateMin;
  base::MutexLock lock(mutex_);
  if (closing_) {
    return absl::ResourceExhaustedError("the coordinator is ending");
  }
  if (intervals_.size() >= kWatcherCountMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kWatcherCountMax,
                     " clients watch this fleet already, as many as may; end "
                     "one of them"));
  }
  std::unique_ptr<Watcher> watcher(
      new Watcher(*this, absl::Seconds(1 / clamped)));
  // An old snapshot is no news.
  watcher->snapshot_number_ = snapshot_number_;
  intervals_.insert(watcher->interval_);
  hurry_ = true;
  clock_.NotifyAll(changed_);
  return watcher;
}

FleetWatch::Watcher::~Watcher() {
  base::MutexLock lock(watch_.mutex_);
  watch_.intervals_.erase(watch_.intervals_.find(interval_));
}

bool FleetWatch::Watcher::Next(absl::Time deadline,
                               proto::WatchUpdate& update) {
  if (ended_) return false;
  std::shared_ptr<const proto::FleetSnapshot> snapshot;
  {
    base::MutexLock lock(watch_.mutex_);
    for (;;) {
      const bool is_new = watch_.snapshot_number_ > snapshot_number_;
      if (is_new && (watch_.clock_.Now() >= due_ - kEarly ||
                     watch_.snapshot_->ending())) {
        break;
      }
      if (watch_.clock_.Now() >= deadline) return false;
      // One that is there may only have to wait until it is due.
      watch_.clock_.WaitUntil(
          watch_.changed_, watch_.mutex_,
          is_new ? std::min(deadline, due_ - kEarly) : deadline);
    }
    snapshot = watch_.snapshot_;
    snapshot_number_ = watch_.snapshot_number_;
    due_ = watch_.clock_.Now() + interval_;
  }
  ended_ = snapshot->ending();
  update.Clear();
  *update.mutable_snapshot() = *snapshot;
  for (const FleetEvent& event : watch_.options_.events->Since(event_number_)) {
    event_number_ = event.number;
    *update.add_events() = ToProto(event);
  }
  return true;
}

absl::Duration FleetWatch::Interval() const {
  if (!intervals_.empty()) return *intervals_.begin();
  return is_busy_ ? kBusyInterval : kRestInterval;
}

bool FleetWatch::WaitUntil(absl::Time time) {
  base::MutexLock lock(mutex_);
  while (!closing_ && clock_.Now() < time) {
    clock_.WaitUntil(changed_, mutex_, time);
  }
  return !closing_;
}

void FleetWatch::Run() {
  absl::Time next = clock_.Now();
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      while (!closing_ && !hurry_ && clock_.Now() < next) {
        clock_.WaitUntil(changed_, mutex_, next);
      }
      if (closing_) return;
      hurry_ = false;
      next = clock_.Now();
    }
    options_.ask();
    if (!WaitUntil(clock_.Now() + kAnswerTime)) return;
    Look(false);
    base::MutexLock lock(mutex_);
    next += Interval();
  }
}

void FleetWatch::Look(bool is_last) {
  const FleetFacts facts = options_.look();
  observer_.Observe(facts);
  bool is_watched = false;
  {
    base::MutexLock lock(mutex_);
    is_watched = !intervals_.empty();
    const bool is_loading = facts.plan.has_value() && !facts.ready;
    is_busy_ = is_loading || !facts.running.empty() ||
               facts.totals.generated_tokens != token_count_;
    token_count_ = facts.totals.generated_tokens;
  }
  if (!is_watched) return;
  auto snapshot =
      std::make_shared<proto::FleetSnapshot>(SnapshotOf(facts, observer_));
  snapshot->set_uptime_ms(
      static_cast<uint64_t>(absl::ToInt64Milliseconds(clock_.Now() - start_)));
  snapshot->set_ending(is_last);
  base::MutexLock lock(mutex_);
  snapshot_ = std::move(snapshot);
  ++snapshot_number_;
  clock_.NotifyAll(changed_);
}

}  // namespace shoal::coordinator

#include "coordinator/epoch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace shoal::coordinator {
namespace {

// How often a wait looks at its cancel flag.
constexpr absl::Duration kCancelLook = absl::Milliseconds(100);

// Enough to choose from; a storm of failures adds nothing.
constexpr size_t kFailureCountMax = 64;

bool IsConsequence(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
      return true;
    default:
      return false;
  }
}

}  // namespace

Epoch::Epoch(uint64_t number, std::vector<std::string> device_names,
             absl::Duration cause_wait,
             std::function<void(const absl::Status&)> on_failure)
    : number_(number),
      device_names_(std::move(device_names)),
      cause_wait_(cause_wait),
      on_failure_(std::move(on_failure)),
      ranks_(device_names_.size()) {
  for (RankState& rank : ranks_) rank.heard = absl::Now();
}

std::string Epoch::NameOf(uint32_t rank) const {
  return absl::StrCat(device_names_[rank], " (rank ", rank, ")");
}

void Epoch::OnProgress(uint32_t rank, const parallel::LoadProgress& progress) {
  SHOAL_CHECK(rank < device_names_.size());
  base::MutexLock lock(mutex_);
  ranks_[rank].heard = absl::Now();
  ranks_[rank].progress = progress;
  changed_.NotifyAll();
}

void Epoch::OnLoaded(uint32_t rank, Endpoints endpoints) {
  SHOAL_CHECK(rank < device_names_.size());
  base::MutexLock lock(mutex_);
  ranks_[rank].loaded = true;
  ranks_[rank].endpoints = std::move(endpoints);
  changed_.NotifyAll();
}

void Epoch::OnConnected(uint32_t rank) {
  SHOAL_CHECK(rank < device_names_.size());
  base::MutexLock lock(mutex_);
  ranks_[rank].connected = true;
  changed_.NotifyAll();
}

void Epoch::OnFailure(uint32_t rank, FailureSource source, absl::Status why) {
  SHOAL_CHECK(rank < device_names_.size() && !why.ok());
  bool first = false;
  {
    base::MutexLock lock(mutex_);
    if (closed_ || failures_.size() >= kFailureCountMax) return;
    first = failures_.empty();
    if (first) {
      first_failure_ = absl::Now();
      in_callback_ = true;
    }
    failures_.push_back({rank, source, why});
    changed_.NotifyAll();
  }
  if (!first) return;
  on_failure_(absl::Status(why.code(),
                           absl::StrCat(NameOf(rank), ": ", why.message())));
  base::MutexLock lock(mutex_);
  in_callback_ = false;
  changed_.NotifyAll();
}

void Epoch::Close() {
  base::MutexLock lock(mutex_);
  closed_ = true;
  changed_.NotifyAll();
  while (in_callback_) changed_.Wait(mutex_);
}

std::optional<Epoch::Progress> Epoch::NextProgress() {
  for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    if (!ranks_[rank].progress) continue;
    Progress progress{rank, *std::move(ranks_[rank].progress)};
    ranks_[rank].progress.reset();
    return progress;
  }
  return std::nullopt;
}

std::optional<uint32_t> Epoch::SilentRank(absl::Time since) {
  for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    if (!ranks_[rank].loaded && ranks_[rank].heard < since) return rank;
  }
  return std::nullopt;
}

bool Epoch::AllLoaded() const {
  return std::all_of(ranks_.begin(), ranks_.end(),
                     [](const RankState& rank) { return rank.loaded; });
}

absl::StatusOr<std::vector<Epoch::Endpoints>> Epoch::AwaitLoaded(
    absl::Duration silence,
    const std::function<void(const Progress&)>& on_progress,
    const std::atomic<bool>* cancel) {
  while (true) {
    std::optional<Progress> progress;
    {
      base::MutexLock lock(mutex_);
      if (!failures_.empty()) break;
      progress = NextProgress();
      if (!progress && AllLoaded()) {
        std::vector<Endpoints> endpoints;
        for (RankState& rank : ranks_) {
          endpoints.push_back(std::move(rank.endpoints));
        }
        return endpoints;
      }
      const absl::Time now = absl::Now();
      if (const auto rank = SilentRank(now - silence)) {
        return absl::DeadlineExceededError(absl::StrCat(
            NameOf(*rank), ": no progress in loading for ",
            absl::FormatDuration(silence), "; look at its disk and network"));
      }
      if (cancel != nullptr && cancel->load()) {
        return absl::CancelledError("interrupted while loading");
      }
      if (!progress) {
        changed_.WaitUntil(mutex_, now + std::min(silence, kCancelLook));
      }
    }
    if (progress && on_progress) on_progress(*progress);
  }
  return Cause();
}

absl::Status Epoch::AwaitConnected(absl::Time deadline) {
  {
    base::MutexLock lock(mutex_);
    while (failures_.empty()) {
      std::string missing;
      for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
        if (ranks_[rank].connected) continue;
        absl::StrAppend(&missing, missing.empty() ? "" : ", ", NameOf(rank));
      }
      if (missing.empty()) return absl::OkStatus();
      if (absl::Now() >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat(
            "the ranks could not be linked in time; missing: ", missing));
      }
      changed_.WaitUntil(mutex_, deadline);
    }
  }
  return Cause();
}

bool Epoch::failed() const {
  base::MutexLock lock(mutex_);
  return !failures_.empty();
}

int Epoch::Grade(const Failure& failure) {
  const bool consequence = IsConsequence(failure.why);
  switch (failure.source) {
    case FailureSource::kWorker:
      return consequence ? 3 : 0;
    case FailureSource::kLost:
      return 1;
    case FailureSource::kRank0:
      return consequence ? 4 : 2;
  }
  return 4;
}

const Epoch::Failure* Epoch::Best() const {
  // The first of the best grade: causes come before their consequences.
  const auto best = std::min_element(
      failures_.begin(), failures_.end(),
      [](const Failure& a, const Failure& b) { return Grade(a) < Grade(b); });
  return best == failures_.end() ? nullptr : &*best;
}

absl::Status Epoch::Cause() {
  base::MutexLock lock(mutex_);
  if (failures_.empty()) return absl::OkStatus();
  const absl::Time deadline = first_failure_ + cause_wait_;
  while (!closed_ && Grade(*Best()) > 1 && absl::Now() < deadline) {
    changed_.WaitUntil(mutex_, deadline);
  }
  const Failure& best = *Best();
  const std::string name = NameOf(best.rank);
  const absl::string_view message = best.why.message();
  if (absl::StartsWith(message, name)) return best.why;
  return absl::Status(best.why.code(), absl::StrCat(name, ": ", message));
}

}  // namespace shoal::coordinator

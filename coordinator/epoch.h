// The life of one plan over all its ranks: loading, linking, serving, failing.

#ifndef SHOAL_COORDINATOR_EPOCH_H_
#define SHOAL_COORDINATOR_EPOCH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

// Where the news of a failure comes from. Several arrive for one cause: a
// worker that dies breaks its stream and makes every peer see a closed link.
enum class FailureSource : uint8_t {
  kWorker,  // a worker's own words
  kLost,    // a worker's stream broke or it fell silent
  kRank0,   // this device's rank
};

// Collects what the ranks say and lets one thread wait for it. The coordinator
// makes one for each plan and drops it with the plan.
//
// Threads: thread-safe. Callbacks run without the lock.
class Epoch {
 public:
  using Endpoints = std::map<uint32_t, std::string>;

  // `device_names` by rank. `on_failure` is called once, by the thread that
  // brings the first failure: it aborts all ranks.
  Epoch(uint64_t number, std::vector<std::string> device_names,
        absl::Duration cause_wait,
        std::function<void(const absl::Status&)> on_failure);

  uint64_t number() const { return number_; }

  // News of a rank. REQUIRES: rank < device_names.size().
  void OnProgress(uint32_t rank, const parallel::LoadProgress& progress);
  void OnLoaded(uint32_t rank, Endpoints endpoints);
  void OnConnected(uint32_t rank);
  // `why` is not OK. Ignored after Close().
  void OnFailure(uint32_t rank, FailureSource source, absl::Status why);

  // The plan is given up on purpose: failures are no news any more. On return
  // `on_failure` does not run and never will. REQUIRES: not called by it.
  void Close();

  struct Progress {
    uint32_t rank = 0;
    parallel::LoadProgress load;
  };

  // Waits until every rank is loaded; returns each one's endpoints by rank.
  // Errors: Cause(); kDeadlineExceeded  a rank said nothing for `silence`;
  //         kCancelled
  absl::StatusOr<std::vector<Endpoints>> AwaitLoaded(
      absl::Duration silence,
      const std::function<void(const Progress&)>& on_progress,
      const std::atomic<bool>* cancel);

  // Errors: Cause(); kDeadlineExceeded  names the ranks that are missing
  absl::Status AwaitConnected(absl::Time deadline);

  bool failed() const;

  // The error to show. Where only secondary errors have come so far, waits up
  // to cause_wait after the first for a better one. OK if nothing failed.
  absl::Status Cause();

 private:
  struct Failure {
    uint32_t rank = 0;
    FailureSource source = FailureSource::kLost;
    absl::Status why;
  };
  struct RankState {
    bool loaded = false;
    bool connected = false;
    Endpoints endpoints;
    absl::Time heard;                                // while loading
    std::optional<parallel::LoadProgress> progress;  // not shown yet
  };

  // 0: a cause; 1: a loss; larger: consequences of either.
  static int Grade(const Failure& failure);
  const Failure* Best() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string NameOf(uint32_t rank) const;
  // Takes a progress that was not shown yet.
  std::optional<Progress> NextProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A rank that is not loaded and silent since `since`.
  std::optional<uint32_t> SilentRank(absl::Time since)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AllLoaded() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t number_;
  const std::vector<std::string> device_names_;
  const absl::Duration cause_wait_;
  const std::function<void(const absl::Status&)> on_failure_;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<RankState> ranks_ ABSL_GUARDED_BY(mutex_);
  std::vector<Failure> failures_ ABSL_GUARDED_BY(mutex_);
  absl::Time first_failure_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool in_callback_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_EPOCH_H_

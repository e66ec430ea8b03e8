// A model on a fleet: one plan carried out on its ranks, from loading to end.

#ifndef SHOAL_COORDINATOR_DEPLOYMENT_H_
#define SHOAL_COORDINATOR_DEPLOYMENT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/epoch.h"
#include "coordinator/rank_trace.h"
#include "coordinator/remote_worker.h"
#include "parallel/pass.h"
#include "parallel/plan.h"
#include "parallel/rank.h"

namespace shoal::coordinator {

// How far loading is on one device.
struct DeviceProgress {
  std::string device;
  uint32_t rank = 0;
  parallel::LoadProgress load;
};

// Threads: one caller at a time, except failed() and plan().
// Failure: the first failure of any rank aborts all of them. The object is
//          dead then; the workers stay members.
class Deployment {
 public:
  struct Options {
    parallel::Plan plan;  // with its epoch
    parallel::ModelDescription model;
    parallel::RunOptions run;
    std::vector<uint64_t> budget_bytes;  // by rank
    std::vector<uint64_t> fixed_bytes;   // likewise; see parallel/rank.h
    std::array<uint8_t, 32> link_secret = {};
    absl::Duration connect_timeout;
    absl::Duration load_silence_timeout;
    absl::Duration cause_wait;
  };

  // `workers` are the ranks from 1 on; rank 0 and the fetcher are borrowed.
  Deployment(Options options, parallel::Rank& rank0,
             parallel::UnitFetcher& fetcher,
             std::vector<std::shared_ptr<RemoteWorker>> workers);
  // Ends as by End().
  ~Deployment();

  // Loads and links all ranks and lets them serve. REQUIRES: called once.
  // Errors: of any rank; kCancelled. Ended then.
  absl::Status Start(
      const std::function<void(const DeviceProgress&)>& on_progress,
      const std::atomic<bool>* cancel);

  // As parallel::Rank::RunPass(), with the cause of a failure.
  // Errors: kFailedPrecondition  it failed before; says why
  absl::Status RunPass(const parallel::Pass& pass,
                       std::span<const float> residual,
                       std::span<float> logits);

  // Fails with `why`: as if rank 0 had. Any thread.
  void AbortPass(const absl::Status& why) {
    epoch_->OnFailure(0, FailureSource::kRank0, why);
  }

  // By rank; who does not answer by `deadline` is left out.
  std::vector<parallel::RankReport> Reports(absl::Time deadline);

  // As Reports(); each answer may take `answer_timeout`.
  std::vector<RankTrace> Traces(absl::Duration answer_timeout);

  // All ranks give memory and links back. Again: nothing.
  void End();

  bool failed() const { return epoch_->failed(); }
  absl::Status failure() { return epoch_->Cause(); }
  const parallel::Plan& plan() const { return options_.plan; }
  const parallel::RunOptions& run() const { return options_.run; }

 private:
  class StoppableFetcher;

  parallel::RankSetup SetupOf(uint32_t rank) const;
  absl::Status Carry(
      const std::function<void(const DeviceProgress&)>& on_progress,
      const std::atomic<bool>* cancel);
  absl::Status Link(const std::vector<Epoch::Endpoints>& endpoints);
  void LoadRank0();
  void AbortAll(const absl::Status& why);

  const Options options_;
  parallel::Rank& rank0_;
  const std::vector<std::shared_ptr<RemoteWorker>> workers_;
  const std::unique_ptr<StoppableFetcher> fetcher_;
  std::shared_ptr<Epoch> epoch_;
  bool ended_ = false;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_DEPLOYMENT_H_

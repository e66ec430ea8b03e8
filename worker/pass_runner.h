// Walks one rank through a pass: stages, layers, phases, exchanges.

#ifndef SHOAL_WORKER_PASS_RUNNER_H_
#define SHOAL_WORKER_PASS_RUNNER_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/unit_compute.h"
#include "parallel/pass.h"
#include "parallel/pieces.h"
#include "transport/channel_group.h"
#include "worker/hub_work.h"
#include "worker/loaded_rank.h"
#include "worker/pass_times.h"
#include "worker/phase_work.h"
#include "worker/stragglers.h"

namespace shoal::worker {

// Threads: thread-compatible.
// Failure: after an error the rank is out of step with the others: end the
//          plan.
class PassRunner {
 public:
  // Borrows all. `channels` may be null where there are no other ranks.
  // `stop`, set by any thread, ends a pass after the phase that is computed;
  // who waits for a peer is to be ended by `channels`.
  PassRunner(LoadedRank& rank, transport::ChannelGroup* channels,
             const std::atomic<bool>& stop);

  // Rank 0 gives the embedded tokens [tokens, hidden] and receives
  // [logits rows, vocabulary]; other ranks give empty spans.
  // REQUIRES: the pass is within the plan's limits.
  // Errors: kResourceExhausted  no room for the KV
  //         kCancelled          it was stopped
  //         others              of the disk, and of peers, which are named
  absl::Status Run(const parallel::Pass& pass, std::span<const float> embedded,
                   std::span<float> logits);

  // Of the last pass.
  const PassTimes& times() const { return times_; }
  // For whom this rank waited as a hub, by rank; part of times().wait.
  std::span<const absl::Duration> waited_for() const {
    return stragglers_.waited_for();
  }

 private:
  using UnitBatch = absl::FunctionRef<void(std::span<const model::UnitView>)>;
  // Tokens [begin, begin + count) of the pass.
  struct TokenRange {
    uint32_t begin = 0;
    uint32_t count = 0;
  };

  absl::Status BeginPass(const parallel::Pass& pass);
  absl::Status RunStage(size_t stage_idx, std::span<const float> embedded);
  absl::Status RunHead(std::span<const float> embedded,
                       std::span<float> logits);
  // The residual as the stage's hub needs it: from rank 0, or from the hub of
  // the stage before; `rows` of it.
  absl::Status ReceiveResidual(size_t stage_idx, uint32_t rows,
                               std::span<const float> embedded);
  absl::Status SendResidual(size_t stage_idx, uint32_t next_hub);

  // pass_star.cc
  // Which tokens go through the exchanges of a stage together.
  void CutIntoParts(const StageWork& stage);
  // Whether this rank computes a phase part by part, as they are exchanged.
  bool ComputesByPart(const PhaseWork& work);
  absl::Status RunPhasesAtHub(const StageWork& stage);
  absl::Status RunPhases(const StageWork& stage);
  // The input of a phase at every rank that has units in it; the part's first
  // token goes to `input_row` of the PhaseInput. REQUIRES: it has begun.
  absl::Status MakeInputAtHub(const PhaseWork& work, TokenRange part,
                              uint32_t input_row);
  absl::Status ReceiveInput(const PhaseWork& work, TokenRange part,
                            uint32_t input_row);
  // Whether the hub sends encoded inputs, or the residual for the ranks to
  // norm.
  bool SendsInputs(const PhaseWork& work) const;
  uint64_t InputRowBytes(const PhaseWork& work) const;
  kernels::ActivationView RoutingOf(const PhaseWork& work) const;
  bool RoutingIsValid(const PhaseWork& work, uint32_t begin,
                      uint32_t count) const;
  absl::Status SendPartial(const PhaseWork& work, TokenRange part);
  absl::Status ReduceAtHub(const PhaseWork& work, TokenRange part);

  // pass_units.cc
  // Calls `compute` for the rank's units of a phase, as they come into memory.
  absl::Status ForOwnUnits(const PhaseWork& work, UnitBatch compute);
  // Those of the entries [begin, work.entry_end) whose experts are chosen.
  absl::Status ForRoutedUnits(const PhaseWork& work, uint32_t begin,
                              UnitBatch compute);
  // For one unit: a phase takes as long as the disk goes on delivering.
  absl::Time DiskDeadline() const;
  absl::Status ComputeSum(const PhaseWork& work, TokenRange part);
  // An event that begins now, and its end.
  base::TraceEvent EventOf(base::TraceKind kind, const PhaseWork& work) const;
  void Record(base::TraceEvent event, uint32_t count);

  // pass_head.cc
  absl::Status ComputeLogits(const PhaseWork& work, std::span<float> to,
                             uint64_t stride, uint32_t first_row);
  absl::Status GatherLogits(const PhaseWork& work, std::span<float> logits);

  absl::StatusOr<std::span<const std::byte>> Receive(
      uint32_t rank, const parallel::BlockKey& key, uint32_t begin,
      uint32_t count, uint64_t bytes_per_token);
  // The same at a hub, in an exchange that has begun.
  absl::StatusOr<std::span<const std::byte>> ReceiveAtHub(
      uint32_t rank, const parallel::BlockKey& key, uint32_t begin,
      uint32_t count, uint64_t bytes_per_token);
  absl::Status Send(std::span<const uint32_t> ranks,
                    const parallel::BlockKey& key, uint32_t tokens,
                    uint64_t bytes_per_token, parallel::WritePiece write);
  // Rows of `bytes_per_token` that lie one after the other.
  absl::Status SendRows(std::span<const uint32_t> ranks,
                        const parallel::BlockKey& key, uint32_t tokens,
                        uint64_t bytes_per_token, const std::byte* data);
  // Count until they end.
  Stopwatch Exchanging(uint32_t layer, uint32_t phase);
  Stopwatch WaitingFor(uint32_t rank, const parallel::BlockKey& key);
  void FindTargets(std::span<const uint32_t> ranks);
  parallel::BlockKey KeyOf(const PhaseWork& work, transport::FrameType type,
                           uint32_t first_token = 0) const;
  std::span<float> ResidualRows(uint32_t begin, uint32_t count);

  LoadedRank& rank_;
  transport::ChannelGroup* const channels_;
  const std::atomic<bool>& stop_;
  const uint32_t own_rank_;
  const uint32_t hidden_;
  base::TraceRecorder* const trace_;  // null: nothing is recorded
  uint64_t pass_ = 0;
  std::vector<model::TokenPlace> places_;
  std::vector<uint32_t> logits_tokens_;  // which tokens want logits
  HubWork hub_work_;
  std::vector<bool> chosen_;      // by expert
  std::vector<uint32_t> wanted_;  // entries of chosen experts
  std::vector<float> logits_scratch_;
  std::vector<const std::byte*> acquired_;
  std::vector<transport::Channel*> targets_;
  std::vector<TokenRange> parts_;
  std::vector<const std::byte*> sums_;  // of a piece, by rank
  PassTimes times_;
  Stragglers stragglers_;
};

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_PASS_RUNNER_H_

// What is behind a Coordinator.

#ifndef SHOAL_COORDINATOR_COORDINATOR_IMPL_H_
#define SHOAL_COORDINATOR_COORDINATOR_IMPL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/mutex.h"
#include "coordinator/coordinator.h"
#include "coordinator/event_log.h"
#include "coordinator/fleet_facts.h"
#include "coordinator/fleet_watch.h"
#include "coordinator/generation_meter.h"
#include "coordinator/generator.h"
#include "coordinator/loaded_model.h"
#include "coordinator/rpc_server.h"

namespace shoal::coordinator {

// Contracts: as of Coordinator and RpcHandler.
class Coordinator::Impl final : public RpcHandler {
 public:
  Impl(CoordinatorOptions options, parallel::Rank& rank0,
       parallel::DeviceProfile profile0);
  ~Impl() override { Shutdown(); }

  absl::StatusOr<std::string> Listen();
  Membership& membership() { return membership_; }
  absl::Status LoadModel(
      const std::string& path, const PlanOptions& options,
      const std::function<void(const DeviceProgress&)>& progress,
      const std::atomic<bool>* cancel);
  absl::Status Reload(
      const PlanOptions& options,
      const std::function<void(const DeviceProgress&)>& progress,
      const std::atomic<bool>* cancel);
  absl::StatusOr<parallel::Plan> TryPlan(const PlanOptions& options,
                                         const std::set<std::string>& drained);
  void SetFleetChanger(FleetChanger change);
  void AddEvent(Severity severity, absl::string_view device,
                absl::string_view text, absl::string_view command) {
    events_.Add(severity, device, text, command);
  }
  absl::StatusOr<GenerateResult> GenerateOwn(const GenerateRequest& request,
                                             const TextCallback& on_text,
                                             const std::atomic<bool>* cancel);
  absl::StatusOr<std::unique_ptr<ActiveGeneration>> Prepare(
      const GenerateRequest& request) const;
  absl::Status Step(std::span<ActiveGeneration* const> generations);
  void Release(const ActiveGeneration& generation);
  void SetClientGenerator(ClientGenerator generate);
  void SetQueueProbe(std::function<QueueState()> probe);
  absl::Status RunTokens(std::span<const int32_t> ids, uint32_t first_position,
                         uint32_t session, uint32_t logits_rows,
                         std::span<float> logits);
  void AbortPass(const absl::Status& why) {
    if (const auto deployed = deployment()) deployed->AbortPass(why);
  }
  void InTurn(absl::FunctionRef<void()> action) ABSL_LOCKS_EXCLUDED(turn_);
  std::vector<parallel::RankReport> Reports();
  std::vector<RankTrace> Traces();
  void Unload();
  void Shutdown();
  parallel::Plan plan() const;
  std::vector<DeviceState> devices() const;
  std::shared_ptr<LoadedModel> model() const;
  absl::Status plan_failure() const;
  uint32_t context_positions() const;
  uint64_t unit_bytes_sent() const;

  // RpcHandler
  std::shared_ptr<parallel::UnitFetcher> UnitsOf(uint64_t epoch) override;
  absl::StatusOr<GenerateResult> Generate(
      const GenerateRequest& request, const TextCallback& on_text,
      const std::function<bool()>& is_gone) override;
  absl::StatusOr<std::vector<int32_t>> Tokenize(const std::string& text,
                                                bool add_special) override;
  void FillModels(proto::ListModelsReply& reply) override;
  void FillStatus(proto::FleetStatus& status) override;
  absl::StatusOr<std::unique_ptr<FleetWatch::Watcher>> Watch(
      double rate) override;
  absl::Status FillPlan(proto::Plan& plan) override;
  absl::Status ChangeFleet(const FleetChange& change,
                           const ChangeNews& on_news) override;

 private:
  using Workers = std::vector<std::shared_ptr<RemoteWorker>>;
  using LoadNews = std::function<void(const DeviceProgress&)>;

  // A plan, and what it was made of.
  struct Placement {
    std::vector<parallel::DeviceProfile> devices;
    parallel::RunOptions run;
    parallel::Plan plan;
  };
  // Of this device and `workers`.
  absl::StatusOr<Placement> Place(const LoadedModel& model,
                                  const Workers& workers,
                                  const PlanOptions& options) const
      ABSL_LOCKS_EXCLUDED(state_mutex_);
  std::vector<std::string> ShareNames() const ABSL_LOCKS_EXCLUDED(state_mutex_);
  uint64_t PeakBytesBefore(const LoadedModel& model) const
      ABSL_LOCKS_EXCLUDED(state_mutex_);
  absl::StatusOr<std::shared_ptr<Deployment>> MakeDeployment(
      const LoadedModel& model, const PlanOptions& options)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  absl::Status LoadInTurn(const std::shared_ptr<LoadedModel>& model,
                          const std::shared_ptr<Deployment>& deployment,
                          const LoadNews& progress,
                          const std::atomic<bool>* cancel)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) ABSL_LOCKS_EXCLUDED(state_mutex_);
  std::shared_ptr<Deployment> deployment() const
      ABSL_LOCKS_EXCLUDED(state_mutex_);
  absl::Status Start(Deployment& deployment,
                     const std::function<void(const DeviceProgress&)>& progress,
                     const std::atomic<bool>* cancel)
      ABSL_LOCKS_EXCLUDED(state_mutex_);
  void AskWorkers();
  FleetFacts Look() ABSL_LOCKS_EXCLUDED(state_mutex_);
  // Gives the plan up; the model stays.
  void EndPlanInTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void UnloadInTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  const CoordinatorOptions options_;
  parallel::Rank& rank0_;
  const parallel::DeviceProfile profile0_;
  EventLog events_;
  GenerationMeter meter_;
  Membership membership_;

  // Held for whole operations on the ranks; taken before state_mutex_.
  base::Mutex turn_;
  std::unique_ptr<Generator> generator_ ABSL_GUARDED_BY(turn_);
  uint64_t epoch_ ABSL_GUARDED_BY(turn_) = 0;

  // What other threads look at; held briefly.
  mutable base::Mutex state_mutex_;
  std::shared_ptr<LoadedModel> model_ ABSL_GUARDED_BY(state_mutex_);
  std::shared_ptr<Deployment> deployment_ ABSL_GUARDED_BY(state_mutex_);
  std::atomic<bool> is_ready_ = false;
  uint64_t unit_bytes_before_ ABSL_GUARDED_BY(state_mutex_) = 0;
  // Whose PlanOptions::shares are, by rank; of the first plan with some.
  std::vector<std::string> share_names_ ABSL_GUARDED_BY(state_mutex_);
  // Of this process before the first plan of the model of this id.
  mutable std::string peak_bytes_model_ ABSL_GUARDED_BY(state_mutex_);
  mutable uint64_t peak_bytes_ ABSL_GUARDED_BY(state_mutex_) = 0;
  // Of the last plan in force of this model; nothing: there was none.
  std::optional<parallel::RunOptions> run_ ABSL_GUARDED_BY(state_mutex_);
  ClientGenerator client_generator_ ABSL_GUARDED_BY(state_mutex_);
  FleetChanger fleet_changer_ ABSL_GUARDED_BY(state_mutex_);
  std::function<QueueState()> queue_probe_ ABSL_GUARDED_BY(state_mutex_);
  // By rank, while a plan is loaded.
  std::map<uint32_t, parallel::LoadProgress> load_progress_
      ABSL_GUARDED_BY(state_mutex_);

  // Their threads use all of the above.
  std::unique_ptr<FleetWatch> watch_;  // null: nobody can watch
  std::unique_ptr<RpcServer> server_;
};

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_COORDINATOR_IMPL_H_

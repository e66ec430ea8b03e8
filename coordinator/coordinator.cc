#include "coordinator/coordinator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "coordinator/fleet_convert.h"
#include "coordinator/fleet_status.h"
#include "coordinator/generator.h"
#include "coordinator/known_rates.h"
#include "coordinator/loaded_model.h"
#include "coordinator/rpc_server.h"
#include "proto/inference.pb.h"
#include "proto/operator.pb.h"
#include "security/random_bytes.h"

namespace shoal::coordinator {
namespace {

constexpr absl::Duration kReportTimeout = absl::Seconds(2);

}  // namespace

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
  absl::StatusOr<GenerateResult> GenerateOwn(const GenerateRequest& request,
                                             const TextCallback& on_text,
                                             const std::atomic<bool>* cancel);
  absl::StatusOr<std::unique_ptr<ActiveGeneration>> Prepare(
      const GenerateRequest& request) const;
  absl::Status Step(std::span<ActiveGeneration* const> generations);
  void Release(const ActiveGeneration& generation);
  void SetClientGenerator(ClientGenerator generate);
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
  absl::Status FillPlan(proto::Plan& plan) override;

 private:
  absl::StatusOr<std::shared_ptr<Deployment>> MakeDeployment(
      const LoadedModel& model, const PlanOptions& options);
  std::shared_ptr<Deployment> deployment() const
      ABSL_LOCKS_EXCLUDED(state_mutex_);
  void UnloadInTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  const CoordinatorOptions options_;
  parallel::Rank& rank0_;
  const parallel::DeviceProfile profile0_;
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
  ClientGenerator client_generator_ ABSL_GUARDED_BY(state_mutex_);

  std::unique_ptr<RpcServer> server_;  // its threads use all of the above
};

Coordinator::Impl::Impl(CoordinatorOptions options, parallel::Rank& rank0,
                        parallel::DeviceProfile profile0)
    : options_(std::move(options)),
      rank0_(rank0),
      profile0_(std::move(profile0)),
      membership_({profile0_.name, options_.token, options_.heartbeat_interval,
                   options_.heartbeat_timeout, options_.device_names}) {}

absl::StatusOr<std::string> Coordinator::Impl::Listen() {
  SHOAL_ASSIGN_OR_RETURN(
      server_, RpcServer::Start({options_.listen_address,
                                 options_.insecure,
                                 options_.token,
                                 options_.secrets,
                                 {profile0_.name, options_.program_version, "",
                                  options_.examine},
                                 options_.token},
                                membership_, *this));
  return server_->address();
}

absl::StatusOr<std::shared_ptr<Deployment>> Coordinator::Impl::MakeDeployment(
    const LoadedModel& model, const PlanOptions& options) {
  std::vector<std::shared_ptr<RemoteWorker>> workers = membership_.workers();
  std::vector<parallel::DeviceProfile> devices = {profile0_};
  devices[0].fixed_bytes = FixedBytesWith(
      model, workers.size(), options.run.session_count, profile0_.fixed_bytes);
  for (const auto& worker : workers) devices.push_back(worker->info().profile);
  KeepKnownRates(options_.digest_directory, devices);
  Deployment::Options setup;
  PlanOptions plan = options;
  plan.run.seal_links = options_.secrets != nullptr && !options_.trusted_lan;
  SHOAL_ASSIGN_OR_RETURN(setup.plan, PlanModel(*model.file, devices, plan));
  setup.plan.epoch = epoch_;
  setup.model = model.file->description;
  setup.run = plan.run;
  for (const auto& device : devices) {
    setup.budget_bytes.push_back(device.budget_bytes);
    setup.fixed_bytes.push_back(device.fixed_bytes);
  }
  security::FillRandom(setup.link_secret);
  setup.connect_timeout = options_.connect_timeout;
  setup.load_silence_timeout = options_.load_silence_timeout;
  setup.cause_wait = options_.cause_wait;
  return std::make_shared<Deployment>(std::move(setup), rank0_, *model.units,
                                      std::move(workers));
}

absl::Status Coordinator::Impl::LoadModel(
    const std::string& path, const PlanOptions& options,
    const std::function<void(const DeviceProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  base::MutexLock turn(turn_);
  UnloadInTurn();
  SHOAL_ASSIGN_OR_RETURN(const std::shared_ptr<LoadedModel> model,
                         LoadedModel::Open(path, options_.digest_directory));
  ++epoch_;
  SHOAL_ASSIGN_OR_RETURN(const std::shared_ptr<Deployment> deployment,
                         MakeDeployment(*model, options));
  {
    // Workers fetch from now on.
    base::MutexLock lock(state_mutex_);
    model_ = model;
    deployment_ = deployment;
  }
  const absl::Status started = deployment->Start(progress, cancel);
  // What was read is known, however it ended.
  model->units->SaveDigests();
  if (!started.ok()) {
    UnloadInTurn();
    return started;
  }
  generator_ = std::make_unique<Generator>(model, *deployment);
  is_ready_ = true;
  return absl::OkStatus();
}

absl::StatusOr<GenerateResult> Coordinator::Impl::GenerateOwn(
    const GenerateRequest& request, const TextCallback& on_text,
    const std::atomic<bool>* cancel) {
  base::MutexLock turn(turn_);
  if (generator_ == nullptr) {
    return absl::FailedPreconditionError("no model is loaded");
  }
  return generator_->Generate(request, on_text, cancel);
}

absl::StatusOr<std::unique_ptr<ActiveGeneration>> Coordinator::Impl::Prepare(
    const GenerateRequest& request) const {
  std::shared_ptr<LoadedModel> model;
  uint32_t context_positions = 0;
  {
    base::MutexLock lock(state_mutex_);
    if (model_ == nullptr || deployment_ == nullptr) {
      return absl::FailedPreconditionError("no model is loaded");
    }
    model = model_;
    context_positions = deployment_->run().context_positions;
  }
  return ActiveGeneration::Create(std::move(model), context_positions, request);
}

absl::Status Coordinator::Impl::Step(
    std::span<ActiveGeneration* const> generations) {
  base::MutexLock turn(turn_);
  if (generator_ == nullptr) {
    return absl::FailedPreconditionError("no model is loaded");
  }
  return generator_->Step(generations);
}

void Coordinator::Impl::Release(const ActiveGeneration& generation) {
  base::MutexLock turn(turn_);
  if (generator_ != nullptr) generator_->Release(generation);
}

void Coordinator::Impl::SetClientGenerator(ClientGenerator generate) {
  base::MutexLock lock(state_mutex_);
  client_generator_ = std::move(generate);
}

absl::Status Coordinator::Impl::RunTokens(std::span<const int32_t> ids,
                                          uint32_t first_position,
                                          uint32_t session,
                                          uint32_t logits_rows,
                                          std::span<float> logits) {
  base::MutexLock turn(turn_);
  SHOAL_CHECK(generator_ != nullptr, "no model is loaded");
  return generator_->RunTokens(ids, first_position, session, logits_rows,
                               logits);
}

std::shared_ptr<Deployment> Coordinator::Impl::deployment() const {
  base::MutexLock lock(state_mutex_);
  return deployment_;
}

std::vector<parallel::RankReport> Coordinator::Impl::Reports() {
  base::MutexLock turn(turn_);
  const auto deployed = deployment();
  if (deployed == nullptr) return {};
  return deployed->Reports(absl::Now() + kReportTimeout);
}

std::vector<RankTrace> Coordinator::Impl::Traces() {
  base::MutexLock turn(turn_);
  const auto deployed = deployment();
  if (deployed == nullptr) return {};
  return deployed->Traces(kReportTimeout);
}

void Coordinator::Impl::InTurn(absl::FunctionRef<void()> action) {
  base::MutexLock turn(turn_);
  action();
}

void Coordinator::Impl::Unload() {
  base::MutexLock turn(turn_);
  UnloadInTurn();
}

void Coordinator::Impl::UnloadInTurn() {
  generator_ = nullptr;
  // Of its units rank 0 may be fetching one again until it is unloaded.
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<Deployment> deployment;
  {
    base::MutexLock lock(state_mutex_);
    is_ready_ = false;
    deployment = std::exchange(deployment_, nullptr);
    model = std::exchange(model_, nullptr);
    if (model != nullptr) unit_bytes_before_ += model->units->bytes_served();
  }
  if (deployment != nullptr) deployment->End();
}

void Coordinator::Impl::Shutdown() {
  Unload();
  membership_.Shutdown();
  server_ = nullptr;
}

parallel::Plan Coordinator::Impl::plan() const {
  base::MutexLock lock(state_mutex_);
  SHOAL_CHECK(deployment_ != nullptr, "no model is loaded");
  return deployment_->plan();
}

std::vector<DeviceState> Coordinator::Impl::devices() const {
  bool loaded = false;
  {
    base::MutexLock lock(state_mutex_);
    loaded = deployment_ != nullptr;
  }
  std::vector<DeviceState> devices;
  devices.push_back({profile0_, options_.program_version, loaded ? 0 : -1, {}});
  for (const auto& worker : membership_.workers()) {
    const std::optional<uint32_t> rank = worker->rank();
    devices.push_back({worker->info().profile, worker->info().program_version,
                       rank ? static_cast<int32_t>(*rank) : -1,
                       absl::Now() - worker->heard()});
  }
  return devices;
}

std::shared_ptr<LoadedModel> Coordinator::Impl::model() const {
  base::MutexLock lock(state_mutex_);
  return model_;
}

absl::Status Coordinator::Impl::plan_failure() const {
  const auto deployed = deployment();
  return deployed != nullptr && deployed->failed() ? deployed->failure()
                                                   : absl::OkStatus();
}

uint32_t Coordinator::Impl::context_positions() const {
  base::MutexLock lock(state_mutex_);
  SHOAL_CHECK(deployment_ != nullptr, "no model is loaded");
  return deployment_->run().context_positions;
}

uint64_t Coordinator::Impl::unit_bytes_sent() const {
  base::MutexLock lock(state_mutex_);
  return unit_bytes_before_ +
         (model_ == nullptr ? 0 : model_->units->bytes_served());
}

std::shared_ptr<parallel::UnitFetcher> Coordinator::Impl::UnitsOf(
    uint64_t epoch) {
  base::MutexLock lock(state_mutex_);
  if (deployment_ == nullptr || deployment_->plan().epoch != epoch) {
    return nullptr;
  }
  // Keeps the whole model while a fetch runs.
  return std::shared_ptr<parallel::UnitFetcher>(model_, model_->units.get());
}

absl::StatusOr<GenerateResult> Coordinator::Impl::Generate(
    const GenerateRequest& request, const TextCallback& on_text,
    const std::function<bool()>& is_gone) {
  ClientGenerator by_others;
  {
    base::MutexLock lock(state_mutex_);
    by_others = client_generator_;
  }
  if (by_others) return by_others(request, on_text, is_gone);
  std::atomic<bool> cancel = false;
  return GenerateOwn(
      request,
      [&](absl::string_view text) {
        on_text(text);
        cancel = is_gone();
      },
      &cancel);
}

absl::StatusOr<std::vector<int32_t>> Coordinator::Impl::Tokenize(
    const std::string& text, bool add_special) {
  const std::shared_ptr<LoadedModel> loaded = model();
  if (loaded == nullptr) {
    return absl::FailedPreconditionError("no model is loaded");
  }
  model::Tokenizer::EncodeOptions options;
  options.add_special = add_special;
  return loaded->tokenizer->Encode(text, options);
}

void Coordinator::Impl::FillModels(proto::ListModelsReply& reply) {
  base::MutexLock lock(state_mutex_);
  if (model_ == nullptr || deployment_ == nullptr || !is_ready_) return;
  AddModel(*model_, deployment_->run(), reply);
}

void Coordinator::Impl::FillStatus(proto::FleetStatus& status) {
  FillDevices(devices(), status);
  status.set_program_version(options_.program_version);
  const std::shared_ptr<LoadedModel> loaded = model();
  const std::shared_ptr<Deployment> deployed = deployment();
  if (loaded == nullptr || deployed == nullptr) return;
  FillModel(*loaded->file, *deployed, is_ready_, status);
}

absl::Status Coordinator::Impl::FillPlan(proto::Plan& plan) {
  base::MutexLock lock(state_mutex_);
  if (deployment_ == nullptr) return absl::NotFoundError("no model is loaded");
  plan = ToProto(deployment_->plan());
  return absl::OkStatus();
}

Coordinator::Coordinator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Coordinator::~Coordinator() = default;

std::unique_ptr<Coordinator> Coordinator::Create(
    CoordinatorOptions options, parallel::Rank& rank0,
    parallel::DeviceProfile profile0) {
  return std::unique_ptr<Coordinator>(new Coordinator(
      std::make_unique<Impl>(std::move(options), rank0, std::move(profile0))));
}

absl::StatusOr<std::string> Coordinator::Listen() { return impl_->Listen(); }

absl::Status Coordinator::WaitForWorkers(
    uint32_t count, absl::Time deadline,
    const std::function<void(const JoinProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  JoinWish wish;
  wish.count = count;
  return WaitForWorkers(wish, deadline, progress, cancel);
}

absl::Status Coordinator::WaitForWorkers(
    const JoinWish& wish, absl::Time deadline,
    const std::function<void(const JoinProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  return impl_->membership().WaitFor(wish, deadline, progress, cancel);
}

absl::Status Coordinator::LoadModel(
    const std::string& path, const PlanOptions& options,
    const std::function<void(const DeviceProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  return impl_->LoadModel(path, options, progress, cancel);
}

absl::StatusOr<GenerateResult> Coordinator::Generate(
    const GenerateRequest& request, const TextCallback& on_text,
    const std::atomic<bool>* cancel) {
  return impl_->GenerateOwn(request, on_text, cancel);
}
absl::StatusOr<std::unique_ptr<ActiveGeneration>> Coordinator::Prepare(
    const GenerateRequest& request) const {
  return impl_->Prepare(request);
}
absl::Status Coordinator::Step(std::span<ActiveGeneration* const> generations) {
  return impl_->Step(generations);
}
void Coordinator::Release(const ActiveGeneration& generation) {
  impl_->Release(generation);
}
void Coordinator::SetClientGenerator(ClientGenerator generate) {
  impl_->SetClientGenerator(std::move(generate));
}
absl::Status Coordinator::RunTokens(std::span<const int32_t> ids,
                                    uint32_t first_position, uint32_t session,
                                    uint32_t logits_rows,
                                    std::span<float> logits) {
  return impl_->RunTokens(ids, first_position, session, logits_rows, logits);
}

void Coordinator::AbortPass(const absl::Status& why) { impl_->AbortPass(why); }
void Coordinator::InTurn(absl::FunctionRef<void()> action) {
  impl_->InTurn(action);
}
std::vector<parallel::RankReport> Coordinator::Reports() {
  return impl_->Reports();
}
std::vector<RankTrace> Coordinator::Traces() { return impl_->Traces(); }
void Coordinator::Unload() { impl_->Unload(); }
void Coordinator::Shutdown() { impl_->Shutdown(); }
parallel::Plan Coordinator::plan() const { return impl_->plan(); }
std::vector<DeviceState> Coordinator::devices() const {
  return impl_->devices();
}

const ModelFile& Coordinator::model() const {
  const auto model = impl_->model();
  SHOAL_CHECK(model != nullptr, "no model is loaded");
  return *model->file;
}

absl::StatusOr<bool> Coordinator::HasChatTemplate() const {
  const auto model = impl_->model();
  SHOAL_CHECK(model != nullptr, "no model is loaded");
  const auto chat_template = model->RequireChatTemplate();
  if (absl::IsFailedPrecondition(chat_template.status())) return false;
  SHOAL_RETURN_IF_ERROR(chat_template.status());
  return true;
}

const model::Tokenizer& Coordinator::tokenizer() const {
  const auto model = impl_->model();
  SHOAL_CHECK(model != nullptr, "no model is loaded");
  return *model->tokenizer;
}
absl::Status Coordinator::plan_failure() const { return impl_->plan_failure(); }
uint32_t Coordinator::context_positions() const {
  return impl_->context_positions();
}
uint64_t Coordinator::unit_bytes_sent() const {
  return impl_->unit_bytes_sent();
}

}  // namespace shoal::coordinator

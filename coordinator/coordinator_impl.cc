#include "coordinator/coordinator_impl.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "coordinator/fleet_convert.h"
#include "coordinator/fleet_status.h"
#include "proto/inference.pb.h"
#include "proto/operator.pb.h"

namespace shoal::coordinator {
namespace {

constexpr absl::Duration kReportTimeout = absl::Seconds(2);

}  // namespace

Coordinator::Impl::Impl(CoordinatorOptions options, parallel::Rank& rank0,
                        parallel::DeviceProfile profile0)
    : options_(std::move(options)),
      rank0_(rank0),
      profile0_(std::move(profile0)),
      membership_({profile0_.name, options_.token, options_.heartbeat_interval,
                   options_.heartbeat_timeout, options_.device_names,
                   &events_}) {}

absl::StatusOr<std::string> Coordinator::Impl::Listen() {
  FleetWatch::Options watch;
  watch.ask = [this] { AskWorkers(); };
  watch.look = [this] { return Look(); };
  watch.events = &events_;
  watch_ = std::make_unique<FleetWatch>(std::move(watch));
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

absl::Status Coordinator::Impl::LoadModel(
    const std::string& path, const PlanOptions& options,
    const std::function<void(const DeviceProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  base::MutexLock turn(turn_);
  UnloadInTurn();
  SHOAL_ASSIGN_OR_RETURN(const std::shared_ptr<LoadedModel> model,
                         LoadedModel::Open(path, options_.digest_directory));
  SHOAL_ASSIGN_OR_RETURN(std::shared_ptr<Deployment> deployment,
                         MakeDeployment(*model, options));
  const absl::Status started =
      LoadInTurn(model, std::move(deployment), progress, cancel);
  if (!started.ok()) UnloadInTurn();
  return started;
}

absl::Status Coordinator::Impl::LoadInTurn(
    const std::shared_ptr<LoadedModel>& model,
    const std::shared_ptr<Deployment>& deployment, const LoadNews& progress,
    const std::atomic<bool>* cancel) {
  {
    // Workers fetch from now on.
    base::MutexLock lock(state_mutex_);
    model_ = model;
    deployment_ = deployment;
  }
  const absl::Time begin = absl::Now();
  const std::string what = absl::StrCat(
      model->file->description.name, " on ", deployment->plan().rank_count(),
      " device", deployment->plan().rank_count() == 1 ? "" : "s");
  events_.Add(Severity::kInfo, "", absl::StrCat("loading ", what));
  const absl::Status started = Start(*deployment, progress, cancel);
  // What was read is known, however it ended.
  model->units->SaveDigests();
  if (!started.ok()) {
    events_.Add(Severity::kError, "",
                absl::StrCat("loading failed: ", started.message()));
    EndPlanInTurn();
    return started;
  }
  generator_ = std::make_unique<Generator>(model, *deployment, meter_);
  {
    base::MutexLock lock(state_mutex_);
    run_ = deployment->run();
  }
  is_ready_ = true;
  events_.Add(
      Severity::kInfo, "",
      absl::StrFormat("plan %d in force: %s, loaded in %.1f s", epoch_, what,
                      absl::ToDoubleSeconds(absl::Now() - begin)));
  return absl::OkStatus();
}

absl::Status Coordinator::Impl::Start(
    Deployment& deployment,
    const std::function<void(const DeviceProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  const absl::Status started = deployment.Start(
      [&](const DeviceProgress& device) {
        {
          base::MutexLock lock(state_mutex_);
          load_progress_[device.rank] = device.load;
        }
        if (progress) progress(device);
      },
      cancel);
  base::MutexLock lock(state_mutex_);
  load_progress_.clear();
  return started;
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
    if (model_ == nullptr || !run_) {
      return absl::FailedPreconditionError("no model is loaded");
    }
    model = model_;
    context_positions = run_->context_positions;
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

void Coordinator::Impl::SetQueueProbe(std::function<QueueState()> probe) {
  base::MutexLock lock(state_mutex_);
  queue_probe_ = std::move(probe);
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

void Coordinator::Impl::EndPlanInTurn() {
  generator_ = nullptr;
  std::shared_ptr<Deployment> deployment;
  {
    base::MutexLock lock(state_mutex_);
    is_ready_ = false;
    deployment = std::exchange(deployment_, nullptr);
  }
  // Of the model's units rank 0 may be fetching one again until it is unloaded.
  if (deployment != nullptr) deployment->End();
}

void Coordinator::Impl::UnloadInTurn() {
  EndPlanInTurn();
  base::MutexLock lock(state_mutex_);
  run_.reset();
  const std::shared_ptr<LoadedModel> model = std::exchange(model_, nullptr);
  if (model != nullptr) unit_bytes_before_ += model->units->bytes_served();
}

void Coordinator::Impl::Shutdown() {
  // While the plan is still there: its last figures.
  if (watch_ != nullptr) watch_->Close();
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
  const std::set<std::string> drained = membership_.drained();
  devices.push_back({profile0_, options_.program_version, loaded ? 0 : -1, {}});
  for (const auto& worker : membership_.workers()) {
    const std::optional<uint32_t> rank = worker->rank();
    devices.push_back({worker->info().profile, worker->info().program_version,
                       rank ? static_cast<int32_t>(*rank) : -1,
                       absl::Now() - worker->heard(),
                       drained.contains(worker->name())});
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
  SHOAL_CHECK(run_.has_value(), "no model is loaded");
  return run_->context_positions;
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
  // Also while its plan changes: requests are taken then.
  if (model_ == nullptr || !run_) return;
  AddModel(*model_, *run_, reply);
}

void Coordinator::Impl::FillStatus(proto::FleetStatus& status) {
  FillDevices(devices(), status);
  status.set_program_version(options_.program_version);
  for (const std::string& device : membership_.drained()) {
    status.add_drained_devices(device);
  }
  const std::shared_ptr<LoadedModel> loaded = model();
  const std::shared_ptr<Deployment> deployed = deployment();
  if (loaded == nullptr || deployed == nullptr) return;
  FillModel(*loaded->file, *deployed, is_ready_, status);
}

absl::StatusOr<std::unique_ptr<FleetWatch::Watcher>> Coordinator::Impl::Watch(
    double rate) {
  return watch_->Subscribe(rate);
}

void Coordinator::Impl::AskWorkers() {
  for (const auto& worker : membership_.workers()) worker->RequestReport();
}

FleetFacts Coordinator::Impl::Look() {
  FleetFacts facts;
  facts.program_version = options_.program_version;
  facts.ready = is_ready_;
  facts.drained = membership_.drained();
  std::shared_ptr<LoadedModel> model;
  std::shared_ptr<Deployment> deployment;
  std::function<QueueState()> queue_probe;
  std::map<uint32_t, parallel::LoadProgress> load_progress;
  {
    base::MutexLock lock(state_mutex_);
    model = model_;
    deployment = deployment_;
    queue_probe = queue_probe_;
    load_progress = load_progress_;
  }
  if (model != nullptr && deployment != nullptr) {
    facts.model_id = model->file->description.id;
    facts.model_name = model->file->description.name;
    facts.units = {model, &model->file->units};
    facts.plan = deployment->plan();
    if (deployment->failed()) facts.failure = deployment->failure();
  }
  if (queue_probe) facts.queue = queue_probe();
  facts.totals = meter_.totals();
  facts.running = meter_.running();
  facts.last = meter_.last();
  facts.time = absl::Now();
  for (DeviceState& state : devices()) {
    DeviceFacts& device = facts.devices.emplace_back();
    if (const auto found =
            load_progress.find(static_cast<uint32_t>(state.rank));
        found != load_progress.end()) {
      device.load = found->second;
    }
    device.state = std::move(state);
  }
  facts.devices[0].report = rank0_.Report();
  facts.devices[0].report_time = facts.time;
  for (const auto& worker : membership_.workers()) {
    const auto latest = worker->latest_report();
    if (!latest) continue;
    for (DeviceFacts& device : facts.devices) {
      if (device.state.profile.name != worker->name()) continue;
      device.report = latest->report;
      device.report_time = latest->received;
      device.round_trip = latest->round_trip;
    }
  }
  return facts;
}

absl::Status Coordinator::Impl::FillPlan(proto::Plan& plan) {
  base::MutexLock lock(state_mutex_);
  if (deployment_ == nullptr) return absl::NotFoundError("no model is loaded");
  plan = ToProto(deployment_->plan());
  return absl::OkStatus();
}

}  // namespace shoal::coordinator

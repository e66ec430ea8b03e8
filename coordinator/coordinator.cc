#include "coordinator/coordinator.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "coordinator/coordinator_impl.h"

namespace shoal::coordinator {

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

absl::Status Coordinator::Reload(
    const PlanOptions& options,
    const std::function<void(const DeviceProgress&)>& progress,
    const std::atomic<bool>* cancel) {
  return impl_->Reload(options, progress, cancel);
}
absl::StatusOr<parallel::Plan> Coordinator::TryPlan(
    const PlanOptions& options, const std::set<std::string>& drained) {
  return impl_->TryPlan(options, drained);
}
void Coordinator::SetDrained(const std::string& device, bool is_drained) {
  impl_->membership().SetDrained(device, is_drained);
}
bool Coordinator::SetDrainedIfAway(const std::string& device, bool is_drained) {
  return impl_->membership().SetDrainedIfAway(device, is_drained);
}
std::set<std::string> Coordinator::drained() const {
  return impl_->membership().drained();
}
std::set<std::string> Coordinator::known_devices() const {
  return impl_->membership().known_devices();
}
void Coordinator::SetFleetChanger(FleetChanger change) {
  impl_->SetFleetChanger(std::move(change));
}
void Coordinator::AddEvent(Severity severity, absl::string_view device,
                           absl::string_view text, absl::string_view command) {
  impl_->AddEvent(severity, device, text, command);
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
void Coordinator::SetQueueProbe(std::function<QueueState()> probe) {
  impl_->SetQueueProbe(std::move(probe));
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

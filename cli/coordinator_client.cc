#include "cli/coordinator_client.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cli/cluster_secrets.h"
#include "cli/command.h"
#include "cli/coordinator_dial.h"
#include "cli/flags_where.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "proto/inference.grpc.pb.h"
#include "proto/operator.grpc.pb.h"
#include "security/fleet_secrets.h"
#include "security/join_token.h"
#include "security/secret_file.h"
#include "security/tls_probe.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kCancelLook = absl::Milliseconds(50);
constexpr absl::Duration kProbeTimeout = absl::Seconds(3);
constexpr absl::Duration kNamesTimeout = absl::Seconds(3);

proto::GenerateRequest ToProto(const coordinator::GenerateRequest& from) {
  proto::GenerateRequest to;
  if (const auto* text = std::get_if<std::string>(&from.prompt)) {
    to.set_text(*text);
  } else if (const auto* ids =
                 std::get_if<std::vector<int32_t>>(&from.prompt)) {
    to.mutable_token_ids()->mutable_ids()->Add(ids->begin(), ids->end());
  } else {
    auto& talk = *to.mutable_conversation();
    for (const model::ChatMessage& message :
         std::get<coordinator::Conversation>(from.prompt).messages) {
      proto::ChatMessage& added = *talk.add_messages();
      added.set_role(message.role);
      added.set_content(message.content);
    }
  }
  const coordinator::SamplingOptions& sampling = from.sampling;
  to.mutable_sampling()->set_temperature(sampling.temperature);
  to.mutable_sampling()->set_top_k(sampling.top_k);
  to.mutable_sampling()->set_top_p(sampling.top_p);
  to.mutable_sampling()->set_min_p(sampling.min_p);
  to.mutable_sampling()->set_repeat_penalty(sampling.repeat_penalty);
  to.mutable_sampling()->set_seed(sampling.seed);
  to.set_max_tokens(from.max_tokens);
  for (const std::string& stop : from.stop) to.add_stop(stop);
  to.set_ignore_eos(from.ignore_eos);
  return to;
}

coordinator::FinishReason ReasonFrom(const std::string& word) {
  using coordinator::FinishReason;
  for (const FinishReason reason :
       {FinishReason::kEndOfText, FinishReason::kStopString,
        FinishReason::kLength, FinishReason::kContext}) {
    if (coordinator::ToString(reason) == word) return reason;
  }
  return FinishReason::kCancelled;
}

void TakeDone(const proto::GenerateDone& from,
              coordinator::GenerateResult& to) {
  to.token_ids.assign(from.token_ids().begin(), from.token_ids().end());
  to.prompt_tokens = from.prompt_tokens();
  to.finish_reason = ReasonFrom(from.finish_reason());
  to.time_to_first_token = absl::Milliseconds(from.time_to_first_token_ms());
  if (from.tokens_per_second() > 0 && to.token_ids.size() > 1) {
    to.token_times.assign(to.token_ids.size() - 1,
                          absl::Seconds(1 / from.tokens_per_second()));
  }
}

FleetDevice DeviceFrom(const proto::DeviceStatus& from) {
  FleetDevice to;
  to.name = from.profile().name();
  to.is_coordinator = from.is_coordinator();
  if (from.has_rank()) to.rank = from.rank();
  to.silent = absl::Milliseconds(from.silent_ms());
  to.program_version = from.program_version();
  to.isa = from.profile().isa();
  to.threads = from.profile().threads();
  to.budget_bytes = from.profile().budget_bytes();
  to.unit_count = from.unit_count();
  to.share_bytes = from.share_bytes();
  to.is_drained = from.is_drained();
  return to;
}

ChangeState ChangeFrom(const proto::ChangeProgress& from) {
  return {from.text(),
          from.done(),
          from.epoch(),
          {from.device_names().begin(), from.device_names().end()}};
}

std::unique_ptr<grpc::ClientReader<proto::ChangeProgress>> Begin(
    const coordinator::FleetChange& change, proto::Operator::Stub& stub,
    grpc::ClientContext& context) {
  using Kind = coordinator::FleetChange::Kind;
  const auto patience_ms = static_cast<uint32_t>(std::clamp<int64_t>(
      absl::ToInt64Milliseconds(change.patience), 0, UINT32_MAX));
  if (change.kind == Kind::kReplan) {
    proto::ReplanRequest request;
    request.set_patience_ms(patience_ms);
    return stub.Replan(&context, request);
  }
  if (change.kind == Kind::kResume) {
    proto::ResumeRequest request;
    request.set_device(change.device);
    request.set_patience_ms(patience_ms);
    return stub.Resume(&context, request);
  }
  proto::DrainRequest request;
  request.set_device(change.device);
  request.set_patience_ms(patience_ms);
  return stub.Drain(&context, request);
}

}  // namespace

namespace {

// Breaks a call once `cancel` is true: Read() has no way to look at it.
class CancelWatch {
 public:
  CancelWatch(grpc::ClientContext& context, const std::atomic<bool>& cancel)
      : thread_([this, &context, &cancel] {
          base::MutexLock lock(mutex_);
          while (!ended_) {
            if (cancel) context.TryCancel();
            changed_.WaitUntil(mutex_, absl::Now() + kCancelLook);
          }
        }) {}
  ~CancelWatch() {
    {
      base::MutexLock lock(mutex_);
      ended_ = true;
      changed_.NotifyAll();
    }
    thread_.join();
  }
  CancelWatch(const CancelWatch&) = delete;
  CancelWatch& operator=(const CancelWatch&) = delete;

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<ClientTarget> ClientTargetOf(const ClusterConfig& config) {
  ClientTarget target;
  target.address = config.listen;
  SHOAL_ASSIGN_OR_RETURN(const HostPort listen, ParseHostPort(config.listen));
  if (IsWildcard(listen.host)) {
    target.address = absl::StrCat("127.0.0.1:", listen.port);
  }
  SHOAL_ASSIGN_OR_RETURN(target.token, JoinTokenOf(config));
  if (config.secrets.empty() || config.insecure) return target;
  SHOAL_ASSIGN_OR_RETURN(
      target.authority_certificate_pem,
      security::ReadSecretFile(
          security::FilesIn(config.secrets).authority_certificate,
          security::FileReaders::kEveryone));
  return target;
}

absl::Status TrustByToken(ClientTarget& target) {
  if (!target.authority_certificate_pem.empty() ||
      !security::JoinToken::LooksLikeOne(target.token)) {
    return absl::OkStatus();
  }
  SHOAL_ASSIGN_OR_RETURN(const auto token,
                         security::JoinToken::Parse(target.token));
  SHOAL_ASSIGN_OR_RETURN(
      security::CoordinatorIdentity found,
      security::ProbeCoordinator(target.address, absl::Now() + kProbeTimeout));
  if (!token.IsFor(found.authority)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the coordinator at ", target.address,
        " is not the one that the token is for; nothing was shown to it"));
  }
  target.authority_certificate_pem = std::move(found.authority_certificate_pem);
  return absl::OkStatus();
}

struct CoordinatorClient::Impl {
  void Prepare(grpc::ClientContext& context) const {
    ShowToken(target, context);
  }
  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
    ShowToken(target, context);
    LimitTime(context, timeout);
  }
  absl::Status FromGrpc(const grpc::Status& status) const {
    return AnswerOf(target, status);
  }

  ClientTarget target;
  std::unique_ptr<proto::Inference::Stub> inference;
  std::unique_ptr<proto::Operator::Stub> operations;
};

CoordinatorClient::CoordinatorClient(const ClientTarget& target)
    : impl_(std::make_unique<Impl>()) {
  const auto channel = DialCoordinator(target);
  impl_->target = target;
  impl_->inference = proto::Inference::NewStub(channel);
  impl_->operations = proto::Operator::NewStub(channel);
}

CoordinatorClient::~CoordinatorClient() = default;

absl::StatusOr<FleetState> CoordinatorClient::State(absl::Duration timeout) {
  grpc::ClientContext context;
  impl_->Prepare(context, timeout);
  proto::FleetStatus reply;
  SHOAL_RETURN_IF_ERROR(
      impl_->FromGrpc(impl_->operations->GetStatus(&context, {}, &reply)));
  FleetState state;
  state.coordinator_name = reply.coordinator_name();
  state.program_version = reply.program_version();
  state.model_name = reply.model_name();
  state.ready = reply.ready();
  state.failure = reply.failure();
  state.drained.assign(reply.drained_devices().begin(),
                       reply.drained_devices().end());
  for (const proto::DeviceStatus& device : reply.devices()) {
    state.devices.push_back(DeviceFrom(device));
  }
  return state;
}

absl::StatusOr<std::optional<ServedModel>> CoordinatorClient::Model(
    absl::Duration timeout) {
  grpc::ClientContext context;
  impl_->Prepare(context, timeout);
  proto::ListModelsReply reply;
  SHOAL_RETURN_IF_ERROR(
      impl_->FromGrpc(impl_->inference->ListModels(&context, {}, &reply)));
  if (reply.models().empty()) return std::optional<ServedModel>();
  const proto::ListModelsReply::Model& model = reply.models(0);
  return ServedModel{model.name(), model.context_positions(),
                     model.has_chat_template()};
}

absl::StatusOr<coordinator::GenerateResult> CoordinatorClient::Generate(
    const coordinator::GenerateRequest& request,
    const coordinator::TextCallback& on_text, const std::atomic<bool>& cancel) {
  grpc::ClientContext context;
  impl_->Prepare(context);
  const auto reader = impl_->inference->Generate(&context, ToProto(request));
  const CancelWatch watch(context, cancel);
  coordinator::GenerateResult result;
  result.finish_reason = coordinator::FinishReason::kCancelled;
  proto::GenerateEvent event;
  while (reader->Read(&event)) {
    if (event.has_done()) {
      TakeDone(event.done(), result);
      continue;
    }
    result.text += event.text();
    if (on_text) on_text(event.text());
  }
  const grpc::Status finished = reader->Finish();
  if (!finished.ok() && !cancel) return impl_->FromGrpc(finished);
  return result;
}

absl::StatusOr<ChangeState> CoordinatorClient::Change(
    const coordinator::FleetChange& change,
    const std::function<bool(const ChangeState&)>& on_news,
    const std::atomic<bool>& cancel) {
  grpc::ClientContext context;
  impl_->Prepare(context);
  const auto reader = Begin(change, *impl_->operations, context);
  const CancelWatch watch(context, cancel);
  ChangeState state;
  proto::ChangeProgress progress;
  bool wants_more = true;
  while (wants_more && reader->Read(&progress)) {
    state = ChangeFrom(progress);
    wants_more = on_news(state);
  }
  if (!wants_more) context.TryCancel();
  const grpc::Status finished = reader->Finish();
  if (state.done || !wants_more || cancel) return state;
  absl::Status status = impl_->FromGrpc(finished);
  if (!absl::IsNotFound(status)) return status;
  std::vector<std::string> names;
  if (const auto fleet = State(kNamesTimeout); fleet.ok()) {
    for (const FleetDevice& device : fleet->devices) {
      names.push_back(device.name);
    }
  }
  return absl::NotFoundError(
      absl::StrCat(status.message(), DidYouMean(change.device, names)));
}

absl::Status CoordinatorClient::Watch(
    double rate,
    const std::function<bool(const proto::WatchUpdate&)>& on_update,
    const std::atomic<bool>& cancel) {
  grpc::ClientContext context;
  impl_->Prepare(context);
  proto::WatchRequest request;
  request.set_rate(rate);
  const auto reader = impl_->operations->Watch(&context, request);
  const CancelWatch watch(context, cancel);
  bool wants_more = true;
  bool is_last = false;
  proto::WatchUpdate update;
  while (wants_more && !is_last && reader->Read(&update)) {
    wants_more = on_update(update);
    is_last = update.snapshot().ending();
  }
  context.TryCancel();
  const grpc::Status finished = reader->Finish();
  if (!wants_more || is_last || cancel) return absl::OkStatus();
  return impl_->FromGrpc(finished);
}

}  // namespace shoal::cli

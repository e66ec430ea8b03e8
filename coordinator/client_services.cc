// The services for clients: Inference and Operator. Thin: they convert.

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/services.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/sync_stream.h"
#include "proto/inference.grpc.pb.h"
#include "proto/operator.grpc.pb.h"
#include "security/rpc_credentials.h"

namespace shoal::coordinator {
namespace {

// How often a client that watches is asked whether it is still there.
constexpr absl::Duration kGoneLook = absl::Milliseconds(500);

GenerateRequest FromProto(const proto::GenerateRequest& from) {
  GenerateRequest to;
  if (from.has_token_ids()) {
    to.prompt = std::vector<int32_t>(from.token_ids().ids().begin(),
                                     from.token_ids().ids().end());
  } else if (from.has_conversation()) {
    Conversation talk;
    for (const proto::ChatMessage& message : from.conversation().messages()) {
      talk.messages.push_back({message.role(), message.content()});
    }
    to.prompt = std::move(talk);
  } else {
    to.prompt = from.text();
  }
  // 0 means off on the wire, where the filters' own value for that is 1.
  const proto::Sampling& sampling = from.sampling();
  to.sampling.temperature = sampling.temperature();
  to.sampling.top_k = sampling.top_k();
  to.sampling.top_p = sampling.top_p() == 0 ? 1 : sampling.top_p();
  to.sampling.min_p = sampling.min_p();
  to.sampling.repeat_penalty =
      sampling.repeat_penalty() == 0 ? 1 : sampling.repeat_penalty();
  to.sampling.seed = sampling.seed();
  if (from.max_tokens() > 0) to.max_tokens = from.max_tokens();
  to.stop.assign(from.stop().begin(), from.stop().end());
  to.ignore_eos = from.ignore_eos();
  return to;
}

void FillDone(const GenerateResult& from, proto::GenerateDone& to) {
  to.mutable_token_ids()->Add(from.token_ids.begin(), from.token_ids.end());
  to.set_prompt_tokens(from.prompt_tokens);
  to.set_finish_reason(std::string(ToString(from.finish_reason)));
  to.set_time_to_first_token_ms(
      absl::ToDoubleMilliseconds(from.time_to_first_token));
  const double seconds = absl::ToDoubleSeconds(from.time_per_token());
  to.set_tokens_per_second(seconds > 0 ? 1 / seconds : 0);
}

class InferenceService final : public proto::Inference::Service {
 public:
  InferenceService(RpcHandler& handler, const std::string& token)
      : handler_(handler), token_(token) {}

  grpc::Status Generate(
      grpc::ServerContext* context, const proto::GenerateRequest* request,
      grpc::ServerWriter<proto::GenerateEvent>* writer) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    bool is_broken = false;
    const auto result = handler_.Generate(
        FromProto(*request),
        [&](absl::string_view text) {
          proto::GenerateEvent event;
          event.set_text(std::string(text));
          if (!writer->Write(event)) is_broken = true;
        },
        [&] { return is_broken || context->IsCancelled(); });
    if (!result.ok()) return ToGrpc(result.status());
    proto::GenerateEvent event;
    FillDone(*result, *event.mutable_done());
    writer->Write(event);
    return grpc::Status::OK;
  }

  grpc::Status Tokenize(grpc::ServerContext* context,
                        const proto::TokenizeRequest* request,
                        proto::TokenizeReply* reply) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    const auto ids = handler_.Tokenize(request->text(), !request->no_special());
    if (!ids.ok()) return ToGrpc(ids.status());
    reply->mutable_tokens()->mutable_ids()->Add(ids->begin(), ids->end());
    return grpc::Status::OK;
  }

  grpc::Status ListModels(grpc::ServerContext* context,
                          const proto::ListModelsRequest* /*request*/,
                          proto::ListModelsReply* reply) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    handler_.FillModels(*reply);
    return grpc::Status::OK;
  }

 private:
  RpcHandler& handler_;
  const std::string token_;
};

class OperatorService final : public proto::Operator::Service {
 public:
  OperatorService(RpcHandler& handler, const std::string& token)
      : handler_(handler), token_(token) {}

  grpc::Status GetStatus(grpc::ServerContext* context,
                         const proto::GetStatusRequest* /*request*/,
                         proto::FleetStatus* reply) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    handler_.FillStatus(*reply);
    return grpc::Status::OK;
  }

  grpc::Status GetPlan(grpc::ServerContext* context,
                       const proto::GetPlanRequest* /*request*/,
                       proto::Plan* reply) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    return ToGrpc(handler_.FillPlan(*reply));
  }

  grpc::Status Watch(grpc::ServerContext* context,
                     const proto::WatchRequest* request,
                     grpc::ServerWriter<proto::WatchUpdate>* writer) override {
    if (!IsAllowed(*context, token_)) return WrongToken();
    const auto watcher = handler_.Watch(request->rate());
    if (!watcher.ok()) return ToGrpc(watcher.status());
    proto::WatchUpdate update;
    while (!context->IsCancelled() && !(*watcher)->ended()) {
      if (!(*watcher)->Next(base::Clock::Real().Now() + kGoneLook, update))
        continue;
      if (!writer->Write(update)) break;
    }
    return grpc::Status::OK;
  }

  grpc::Status Drain(
      grpc::ServerContext* context, const proto::DrainRequest* request,
      grpc::ServerWriter<proto::ChangeProgress>* writer) override {
    FleetChange change = ChangeOf(*request);
    change.kind = FleetChange::Kind::kDrain;
    change.device = request->device();
    return Carry(*context, change, *writer);
  }

  grpc::Status Resume(
      grpc::ServerContext* context, const proto::ResumeRequest* request,
      grpc::ServerWriter<proto::ChangeProgress>* writer) override {
    FleetChange change = ChangeOf(*request);
    change.kind = FleetChange::Kind::kResume;
    change.device = request->device();
    return Carry(*context, change, *writer);
  }

  grpc::Status Replan(
      grpc::ServerContext* context, const proto::ReplanRequest* request,
      grpc::ServerWriter<proto::ChangeProgress>* writer) override {
    return Carry(*context, ChangeOf(*request), *writer);
  }

 private:
  template <typename Request>
  static FleetChange ChangeOf(const Request& request) {
    FleetChange change;
    if (request.has_patience_ms()) {
      change.patience = absl::Milliseconds(request.patience_ms());
    }
    return change;
  }

  grpc::Status Carry(const grpc::ServerContext& context,
                     const FleetChange& change,
                     grpc::ServerWriter<proto::ChangeProgress>& writer) {
    if (!IsAllowed(context, token_)) return WrongToken();
    proto::ChangeProgress progress;
    const absl::Status changed =
        handler_.ChangeFleet(change, [&](absl::string_view line) {
          progress.set_text(std::string(line));
          writer.Write(progress);  // it goes on without the client
        });
    if (!changed.ok()) return ToGrpc(changed);
    progress.set_done(true);
    proto::Plan plan;
    if (handler_.FillPlan(plan).ok()) {
      progress.set_epoch(plan.epoch());
      *progress.mutable_device_names() = plan.device_names();
    }
    writer.Write(progress);
    return grpc::Status::OK;
  }

  RpcHandler& handler_;
  const std::string token_;
};

}  // namespace

bool IsAllowed(const grpc::ServerContext& context, const std::string& token) {
  if (token.empty() || !security::CallerOf(context).empty()) return true;
  const auto shown = context.client_metadata().find("authorization");
  return shown != context.client_metadata().end() &&
         TokensMatch(
             absl::StrCat("Bearer ", token),
             absl::string_view(shown->second.data(), shown->second.size()));
}

grpc::Status WrongToken() {
  return {grpc::StatusCode::PERMISSION_DENIED,
          "the call does not show the coordinator's token; send it as the "
          "metadata \"authorization: Bearer TOKEN\" (--token-file)"};
}

ServicePtr MakeInferenceService(RpcHandler& handler, const std::string& token) {
  return ServicePtr(new InferenceService(handler, token));
}

ServicePtr MakeOperatorService(RpcHandler& handler, const std::string& token) {
  return ServicePtr(new OperatorService(handler, token));
}

void ServiceDeleter::operator()(grpc::Service* service) const {
  delete service;
}

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.raw_code()),
          std::string(status.message())};
}

}  // namespace shoal::coordinator

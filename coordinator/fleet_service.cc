// The Fleet service: streams of workers, and units for them.

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "coordinator/remote_worker.h"
#include "coordinator/services.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/sync_stream.h"
#include "proto/fleet.grpc.pb.h"
#include "proto/fleet_protocol.h"
#include "security/certificate.h"
#include "security/rpc_credentials.h"

namespace shoal::coordinator {
namespace {

using JoinStream =
    grpc::ServerReaderWriter<proto::CoordinatorMessage, proto::WorkerMessage>;

// Who dials must say Hello within this.
constexpr absl::Duration kHelloTimeout = absl::Seconds(10);
// A worker that takes no messages is cancelled when so many wait; heartbeats
// alone do not get there before the heartbeat timeout.
constexpr size_t kQueueMax = 256;

// Queues messages for a stream whose handler's thread is busy reading.
class QueuedLink final : public WorkerLink {
 public:
  explicit QueuedLink(grpc::ServerContext& context) : context_(&context) {}

  void Send(const proto::CoordinatorMessage& message) override {
    base::MutexLock lock(mutex_);
    if (context_ == nullptr) return;
    if (queue_.size() >= kQueueMax) {
      context_->TryCancel();
      return;
    }
    queue_.push_back(message);
    changed_.NotifyAll();
  }

  void Cancel() override {
    base::MutexLock lock(mutex_);
    if (context_ != nullptr) context_->TryCancel();
  }

  void MarkGreeted() {
    base::MutexLock lock(mutex_);
    greeted_ = true;
    changed_.NotifyAll();
  }

  // Writes until Close(). `stream` lives as long.
  void WriteTo(JoinStream& stream) {
    const absl::Time hello_deadline = absl::Now() + kHelloTimeout;
    while (true) {
      proto::CoordinatorMessage message;
      {
        base::MutexLock lock(mutex_);
        while (queue_.empty() && !closed_) {
          const absl::Time deadline =
              greeted_ ? absl::InfiniteFuture() : hello_deadline;
          if (!greeted_ && absl::Now() >= deadline) {
            context_->TryCancel();
            greeted_ = true;
            continue;
          }
          changed_.WaitUntil(mutex_, deadline);
        }
        if (queue_.empty()) return;
        message = std::move(queue_.front());
        queue_.pop_front();
      }
      if (!stream.Write(message)) return;
    }
  }

  // No more messages come in; those that wait are written.
  void Close() {
    base::MutexLock lock(mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }

  // The stream is gone.
  void Detach() {
    base::MutexLock lock(mutex_);
    context_ = nullptr;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  grpc::ServerContext* context_ ABSL_GUARDED_BY(mutex_);
  std::deque<proto::CoordinatorMessage> queue_ ABSL_GUARDED_BY(mutex_);
  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// The fetches that run for each session, to break them with it.
class FetchRegistry {
 public:
  void Add(uint64_t session, grpc::ServerContext* context) {
    base::MutexLock lock(mutex_);
    contexts_[session].insert(context);
  }
  void Remove(uint64_t session, grpc::ServerContext* context) {
    base::MutexLock lock(mutex_);
    auto found = contexts_.find(session);
    found->second.erase(context);
    if (found->second.empty()) contexts_.erase(found);
  }
  void Cancel(uint64_t session) {
    base::MutexLock lock(mutex_);
    const auto found = contexts_.find(session);
    if (found == contexts_.end()) return;
    for (grpc::ServerContext* context : found->second) context->TryCancel();
  }

 private:
  base::Mutex mutex_;
  std::map<uint64_t, std::set<grpc::ServerContext*>> contexts_
      ABSL_GUARDED_BY(mutex_);
};

// Sends one unit in chunks. False: the worker is gone.
bool WriteUnit(const parallel::UnitFetcher::Unit& unit,
               grpc::ServerWriter<proto::UnitChunk>& writer,
               proto::UnitChunk& chunk) {
  chunk.set_unit_index(unit.unit_index);
  chunk.set_digest_high(unit.digest.high);
  chunk.set_digest_low(unit.digest.low);
  chunk.set_unchanged(unit.unchanged);
  chunk.set_unit_bytes(unit.canonical.size());
  size_t offset = 0;
  do {
    const size_t count =
        std::min(proto::kUnitChunkBytesMax, unit.canonical.size() - offset);
    chunk.set_offset(offset);
    chunk.mutable_data()->assign(
        reinterpret_cast<const char*>(unit.canonical.data()) + offset, count);
    offset += count;
    chunk.set_last(offset == unit.canonical.size());
    if (!writer.Write(chunk)) return false;
  } while (offset < unit.canonical.size());
  return true;
}

class FleetService final : public proto::Fleet::Service {
 public:
  FleetService(Membership& membership, RpcHandler& handler,
               FleetExaminer& examiner, const security::FleetSecrets* secrets,
               std::string token)
      : membership_(membership),
        handler_(handler),
        examiner_(examiner),
        secrets_(secrets),
        token_(std::move(token)) {}

  grpc::Status Enroll(grpc::ServerContext* context,
                      const proto::EnrollRequest* request,
                      proto::EnrollReply* reply) override {
    const auto certificate = CertificateFor(*request);
    if (certificate.ok()) {
      reply->set_certificate_pem(*certificate);
      return grpc::Status::OK;
    }
    // The name is a stranger's.
    membership_.OnRefused(absl::CEscape(request->device_name().substr(0, 64)),
                          context->peer(), certificate.status());
    return ToGrpc(certificate.status());
  }

  grpc::Status TryJoin(grpc::ServerContext* context,
                       const proto::TryJoinRequest* request,
                       proto::TryJoinReply* reply) override {
    reply->set_protocol_version(proto::kFleetProtocolVersion);
    reply->set_program_version(examiner_.program_version());
    // Of another version nothing else may be understood alike.
    if (request->protocol_version() != proto::kFleetProtocolVersion) {
      return grpc::Status::OK;
    }
    const bool has_token =
        secrets_ != nullptr
            ? secrets_->token.HasSecret(request->token_secret())
            : token_.empty() || TokensMatch(token_, request->token());
    if (!has_token) {
      return {grpc::StatusCode::PERMISSION_DENIED,
              "the token is not the fleet's; take the one that the "
              "coordinator shows"};
    }
    examiner_.TryJoin(*request, HostOfPeer(context->peer()), *reply);
    return grpc::Status::OK;
  }

  grpc::Status Join(grpc::ServerContext* context, JoinStream* stream) override {
    if (!MayCall(*context)) return NoCertificate();
    const auto link = std::make_shared<QueuedLink>(*context);
    std::thread writer([&] { link->WriteTo(*stream); });
    Read(*context, *stream, link);
    link->Close();
    writer.join();
    link->Detach();
    return grpc::Status::OK;
  }

  grpc::Status FetchUnits(
      grpc::ServerContext* context, const proto::FetchUnitsRequest* request,
      grpc::ServerWriter<proto::UnitChunk>* writer) override {
    const uint64_t session = request->session_key();
    if (!MayCall(*context)) return NoCertificate();
    if (!membership_.HasSession(session)) {
      return {grpc::StatusCode::PERMISSION_DENIED, "join the fleet first"};
    }
    const auto units = handler_.UnitsOf(request->epoch());
    if (units == nullptr) {
      return {grpc::StatusCode::FAILED_PRECONDITION,
              absl::StrCat("plan ", request->epoch(), " is not in force")};
    }
    std::vector<parallel::UnitFetcher::Item> items;
    items.reserve(static_cast<size_t>(request->items_size()));
    for (const auto& item : request->items()) {
      items.push_back({item.unit_index(), std::nullopt});
      if (item.has_have_high() && item.has_have_low()) {
        items.back().have = base::Digest{item.have_high(), item.have_low()};
      }
    }
    fetches_.Add(session, context);
    proto::UnitChunk chunk;
    const absl::Status served = units->Fetch(
        items, [&](const parallel::UnitFetcher::Unit& unit) -> absl::Status {
          if (!WriteUnit(unit, *writer, chunk)) {
            return absl::CancelledError("the worker is gone");
          }
          return absl::OkStatus();
        });
    fetches_.Remove(session, context);
    return ToGrpc(served);
  }

 private:
  // Obeys the stream until it ends.
  void Read(grpc::ServerContext& context, JoinStream& stream,
            const std::shared_ptr<QueuedLink>& link) {
    proto::WorkerMessage message;
    if (!stream.Read(&message) || !message.has_hello()) return;
    link->MarkGreeted();
    const auto worker = membership_.Admit(message.hello(), context.peer(), link,
                                          security::CallerOf(context));
    if (worker == nullptr) return;
    while (stream.Read(&message)) worker->OnMessage(message);
    // Whatever ended it: nothing more can be sent.
    context.TryCancel();
    fetches_.Cancel(worker->info().session_key);
    membership_.Remove(
        worker, absl::UnavailableError(absl::StrCat(
                    "its connection broke: the process died, its network is "
                    "cut, or packets get lost one way; ",
                    worker->WhatToCheck())));
  }

  bool MayCall(const grpc::ServerContext& context) const {
    return secrets_ == nullptr || !security::CallerOf(context).empty();
  }
  static grpc::Status NoCertificate() {
    return {grpc::StatusCode::PERMISSION_DENIED,
            "the caller shows no certificate of this fleet; join it with its "
            "token first"};
  }

  absl::StatusOr<std::string> CertificateFor(
      const proto::EnrollRequest& request) const {
    if (request.protocol_version() != proto::kFleetProtocolVersion) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the worker speaks protocol version ", request.protocol_version(),
          ", the coordinator version ", proto::kFleetProtocolVersion,
          "; install the same shoal on both"));
    }
    if (secrets_ == nullptr) {
      return absl::FailedPreconditionError(
          "this fleet has no certificates: its coordinator runs without TLS");
    }
    if (!secrets_->token.HasSecret(request.token_secret())) {
      return absl::PermissionDeniedError(
          "the join token is of this fleet, but not its token now; take the "
          "one that the coordinator shows");
    }
    return security::IssueClientCertificate(
        secrets_->authority, request.request_pem(), request.device_name());
  }

  Membership& membership_;
  RpcHandler& handler_;
  FleetExaminer& examiner_;
  const security::FleetSecrets* const secrets_;
  const std::string token_;
  FetchRegistry fetches_;
};

}  // namespace

ServicePtr MakeFleetService(Membership& membership, RpcHandler& handler,
                            FleetExaminer& examiner,
                            const security::FleetSecrets* secrets,
                            const std::string& token) {
  return ServicePtr(
      new FleetService(membership, handler, examiner, secrets, token));
}

}  // namespace shoal::coordinator

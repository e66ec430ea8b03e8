#include "worker/worker_service.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"
#include "proto/fleet.grpc.pb.h"
#include "security/tls_probe.h"
#include "worker/coordinator_channel.h"
#include "worker/fleet_convert.h"
#include "worker/fleet_identity.h"
#include "worker/inquiry_desk.h"
#include "worker/rank_session.h"
#include "worker/remote_unit_fetcher.h"

namespace shoal::worker {
namespace {

// For finding out who answers, and for a certificate.
constexpr absl::Duration kTrustTimeout = absl::Seconds(5);
constexpr absl::Duration kTlsLookTimeout = absl::Seconds(2);
constexpr absl::Duration kHeartbeatMin = absl::Milliseconds(10);

using JoinStream =
    grpc::ClientReaderWriter<proto::WorkerMessage, proto::CoordinatorMessage>;

// One stream to a coordinator, from Hello to its end. The thread of Write()
// also sends heartbeats and watches for those of the other side.
class Membership {
 public:
  Membership(const WorkerServiceOptions& options, JoinStream& stream,
             grpc::ClientContext& context)
      : stream_(stream),
        context_(context),
        silence_max_(options.dial_timeout),
        heard_(absl::Now()) {}

  void Send(const proto::WorkerMessage& message) {
    base::MutexLock lock(mutex_);
    queue_.push_back(message);
    changed_.NotifyAll();
  }

  void OnHeard() {
    base::MutexLock lock(mutex_);
    heard_ = absl::Now();
  }

  void OnWelcome(const proto::Welcome& welcome) {
    base::MutexLock lock(mutex_);
    interval_ = std::max(kHeartbeatMin,
                         absl::Milliseconds(welcome.heartbeat_interval_ms()));
    silence_max_ = std::max(2 * interval_,
                            absl::Milliseconds(welcome.heartbeat_timeout_ms()));
    changed_.NotifyAll();
  }

  void Close() {
    base::MutexLock lock(mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }

  bool timed_out() {
    base::MutexLock lock(mutex_);
    return timed_out_;
  }

  // Runs until Close().
  void Write() {
    while (true) {
      proto::WorkerMessage message;
      {
        base::MutexLock lock(mutex_);
        const absl::Time next = absl::Now() + interval_;
        while (queue_.empty() && !closed_ && absl::Now() < next) {
          changed_.WaitUntil(mutex_, next);
        }
        if (closed_) return;
        if (absl::Now() - heard_ > silence_max_) {
          timed_out_ = true;
          context_.TryCancel();
          return;
        }
        if (queue_.empty()) {
          message.mutable_heartbeat();
        } else {
          message = std::move(queue_.front());
          queue_.pop_front();
        }
      }
      // If this fails, reading ends too.
      if (!stream_.Write(message)) return;
    }
  }

 private:
  JoinStream& stream_;
  grpc::ClientContext& context_;

  base::Mutex mutex_;
  base::CondVar changed_;
  // Bounded by what a session sends: answers, and progress a few times a
  // second.
  std::deque<proto::WorkerMessage> queue_ ABSL_GUARDED_BY(mutex_);
  absl::Duration interval_ ABSL_GUARDED_BY(mutex_) = absl::Milliseconds(500);
  absl::Duration silence_max_ ABSL_GUARDED_BY(mutex_);
  absl::Time heard_ ABSL_GUARDED_BY(mutex_);
  bool timed_out_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// How one attempt to be a member ended.
struct Outcome {
  absl::Status status;
  bool joined = false;
  bool for_good = false;   // refused: dialling again does not help
  bool shut_down = false;  // the coordinator said that it ends
};

}  // namespace

class WorkerService::Impl {
 public:
  Impl(WorkerServiceOptions options, parallel::Rank& rank,
       parallel::DeviceProfile profile)
      : options_(std::move(options)),
        rank_(rank),
        profile_(std::move(profile)) {}

  absl::Status Run();
  void Stop();

 private:
  Outcome JoinOnce();
  // Null: this worker joins without TLS.
  absl::StatusOr<std::unique_ptr<security::CoordinatorTrust>> Trust();
  absl::Status NotReached(absl::string_view why) const;
  absl::Status CannotReach(const grpc::Status& why) const;
  // Reads the answer to Hello.
  Outcome Greet(JoinStream& stream, Membership& membership,
                proto::Welcome& welcome);
  // Obeys until the stream ends. True: the coordinator shut down.
  bool Obey(JoinStream& stream, Membership& membership,
            proto::Fleet::StubInterface& stub, const proto::Welcome& welcome);
  proto::WorkerMessage Hello() const;
  void Tell(absl::string_view line) const;
  // False: stopped.
  bool Wait(absl::Duration duration);

  const WorkerServiceOptions options_;
  parallel::Rank& rank_;
  const parallel::DeviceProfile profile_;

  base::Mutex mutex_;
  base::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

void WorkerService::Impl::Tell(absl::string_view line) const {
  SHOAL_LOG(kInfo, profile_.name, ": ", line);
  if (options_.on_event) options_.on_event(line);
}

bool WorkerService::Impl::Wait(absl::Duration duration) {
  const absl::Time deadline = absl::Now() + duration;
  base::MutexLock lock(mutex_);
  while (!stopping_ && absl::Now() < deadline) {
    changed_.WaitUntil(mutex_, deadline);
  }
  return !stopping_;
}

void WorkerService::Impl::Stop() {
  base::MutexLock lock(mutex_);
  stopping_ = true;
  if (context_ != nullptr) context_->TryCancel();
  changed_.NotifyAll();
}

proto::WorkerMessage WorkerService::Impl::Hello() const {
  proto::WorkerMessage message;
  proto::Hello& hello = *message.mutable_hello();
  hello.set_protocol_version(options_.protocol_version);
  hello.set_program_version(options_.program_version);
  hello.set_token(options_.token);
  *hello.mutable_profile() = ToProto(profile_);
  hello.set_order(options_.order);
  return message;
}

Outcome WorkerService::Impl::Greet(JoinStream& stream, Membership& membership,
                                   proto::Welcome& welcome) {
  Outcome outcome;
  membership.Send(Hello());
  proto::CoordinatorMessage answer;
  if (!stream.Read(&answer)) {
    outcome.status = absl::UnavailableError(
        membership.timed_out() ? "the coordinator does not answer" : "");
    return outcome;
  }
  if (answer.has_refusal()) {
    const absl::Status why = FailureFromProto(answer.refusal().status());
    outcome.for_good = !answer.refusal().retry();
    outcome.status = absl::Status(
        why.code(),
        absl::StrCat("the coordinator at ", options_.coordinator_address,
                     " refused ", profile_.name, ": ", why.message()));
    return outcome;
  }
  const uint32_t version = answer.welcome().protocol_version();
  if (!answer.has_welcome() || version != options_.protocol_version) {
    outcome.for_good = true;
    outcome.status = absl::FailedPreconditionError(absl::StrCat(
        "the coordinator at ", options_.coordinator_address,
        " speaks protocol version ", version, ", this worker version ",
        options_.protocol_version, "; install the same shoal on both"));
    return outcome;
  }
  welcome = answer.welcome();
  outcome.joined = true;
  return outcome;
}

bool WorkerService::Impl::Obey(JoinStream& stream, Membership& membership,
                               proto::Fleet::StubInterface& stub,
                               const proto::Welcome& welcome) {
  RankSession::Options options;
  options.send = [&membership](const proto::WorkerMessage& message) {
    membership.Send(message);
  };
  options.make_fetcher = [&stub, &welcome](uint64_t epoch) {
    RemoteUnitFetcher::Options fetch;
    fetch.epoch = epoch;
    fetch.session_key = welcome.session_key();
    return std::make_unique<RemoteUnitFetcher>(stub, fetch);
  };
  options.on_event = [this](absl::string_view line) { Tell(line); };
  const std::string& joined = options_.coordinator_address;
  options.coordinator_host = joined.substr(0, joined.rfind(':'));
  InquiryDesk desk({.device_name = profile_.name,
                    .examine = options_.examine,
                    .bind_address = options_.bind_address,
                    .advertised_address = options_.advertised_address,
                    .coordinator_host = options.coordinator_host,
                    .send = options.send});
  RankSession session(std::move(options), rank_);
  proto::CoordinatorMessage message;
  while (stream.Read(&message)) {
    membership.OnHeard();
    if (message.has_shutdown()) return true;
    if (message.has_inquiry()) {
      desk.OnInquiry(message.inquiry());
      continue;
    }
    session.OnMessage(message);
  }
  return false;
}

absl::StatusOr<std::unique_ptr<security::CoordinatorTrust>>
WorkerService::Impl::Trust() {
  if (!options_.tls) return nullptr;
  FleetIdentityOptions identity;
  identity.coordinator_address = options_.coordinator_address;
  identity.device_name = profile_.name;
  identity.program_version = options_.program_version;
  identity.protocol_version = options_.protocol_version;
  identity.directory = options_.identity_directory;
  identity.token = options_.join_token;
  SHOAL_ASSIGN_OR_RETURN(
      security::CoordinatorTrust trust,
      EstablishTrust(identity, absl::Now() + kTrustTimeout, [this] {
        base::MutexLock lock(mutex_);
        return stopping_;
      }));
  return std::make_unique<security::CoordinatorTrust>(std::move(trust));
}

absl::Status WorkerService::Impl::NotReached(absl::string_view why) const {
  const std::string& address = options_.coordinator_address;
  return absl::UnavailableError(
      absl::StrCat("cannot reach a coordinator at ", address, ": ", why,
                   "; check that it runs, and that this device and ", address,
                   " reach each other, both ways"));
}

absl::Status WorkerService::Impl::CannotReach(const grpc::Status& why) const {
  const std::string& address = options_.coordinator_address;
  if (!options_.tls &&
      security::SpeaksTls(address, absl::Now() + kTlsLookTimeout)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the coordinator at ", address,
        " speaks TLS, and this worker was started without it; give it the "
        "fleet's join token (--join ",
        address, "#TOKEN), and not --insecure"));
  }
  return NotReached(why.error_message());
}

Outcome WorkerService::Impl::JoinOnce() {
  const auto trust = Trust();
  if (!trust.ok()) {
    Outcome outcome;
    const bool is_unreached = absl::IsUnavailable(trust.status()) ||
                              absl::IsDeadlineExceeded(trust.status());
    outcome.status =
        is_unreached ? NotReached(trust.status().message()) : trust.status();
    outcome.for_good = absl::IsPermissionDenied(trust.status());
    return outcome;
  }
  const auto channel =
      DialCoordinator(options_.coordinator_address, trust->get());
  const auto stub = proto::Fleet::NewStub(channel);
  grpc::ClientContext context;
  {
    base::MutexLock lock(mutex_);
    if (stopping_) return {};
    context_ = &context;
  }
  const auto stream = stub->Join(&context);
  Membership membership(options_, *stream, context);
  std::thread writer([&membership] { membership.Write(); });
  proto::Welcome welcome;
  Outcome outcome = Greet(*stream, membership, welcome);
  if (outcome.joined) {
    membership.OnWelcome(welcome);
    Tell(absl::StrCat("joined ", welcome.coordinator_name(), " at ",
                      options_.coordinator_address));
    outcome.shut_down = Obey(*stream, membership, *stub, welcome);
  }
  membership.Close();
  context.TryCancel();
  writer.join();
  const grpc::Status finished = stream->Finish();
  {
    base::MutexLock lock(mutex_);
    context_ = nullptr;
  }
  if (!outcome.joined && outcome.status.message().empty()) {
    outcome.status = CannotReach(finished);
    outcome.for_good = absl::IsFailedPrecondition(outcome.status);
  } else if (outcome.joined) {
    outcome.status = absl::UnavailableError(
        absl::StrCat("lost the coordinator at ", options_.coordinator_address,
                     membership.timed_out() ? ": no sign of life" : ""));
  }
  return outcome;
}

absl::Status WorkerService::Impl::Run() {
  const absl::Time dial_deadline = absl::Now() + options_.dial_timeout;
  absl::Duration backoff = options_.backoff_min;
  std::string told;
  while (true) {
    const Outcome outcome = JoinOnce();
    {
      base::MutexLock lock(mutex_);
      if (stopping_) return absl::OkStatus();
    }
    if (outcome.for_good) return outcome.status;
    if (options_.single_session) {
      if (outcome.shut_down) return absl::OkStatus();
      if (outcome.joined || absl::Now() >= dial_deadline) {
        return outcome.status;
      }
    }
    if (outcome.joined) {
      backoff = options_.backoff_min;
      told.clear();
    }
    // One line for each new reason, not for each attempt.
    const std::string reason = outcome.shut_down
                                   ? "the coordinator ended"
                                   : std::string(outcome.status.message());
    if (reason != told) Tell(absl::StrCat(reason, "; dialling again"));
    told = reason;
    if (!Wait(backoff)) return absl::OkStatus();
    backoff = std::min(2 * backoff, options_.backoff_max);
  }
}

WorkerService::WorkerService(WorkerServiceOptions options, parallel::Rank& rank,
                             parallel::DeviceProfile profile)
    : impl_(std::make_unique<Impl>(std::move(options), rank,
                                   std::move(profile))) {}
WorkerService::~WorkerService() = default;

absl::Status WorkerService::Run() { return impl_->Run(); }
void WorkerService::Stop() { impl_->Stop(); }

}  // namespace shoal::worker

#include "cli/session.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cli/cluster_options.h"
#include "cli/device_examiner.h"
#include "cli/fleet_security.h"
#include "cli/offers.h"
#include "cli/store_root.h"
#include "cli/worker_arguments.h"
#include "proto/fleet_protocol.h"

namespace shoal::cli {
namespace {

// For workers to end by themselves. They may be killed at any time: what they
// keep on disk appears whole or not at all. With a worker that hangs, all of it
// is waited for after its silence was noticed, and both are within 5 s.
constexpr absl::Duration kEndTimeout = absl::Milliseconds(500);

// For the coordinator to see that workers which were ended are gone.
// Longer than the pause of a worker between two attempts to join: those that
// run already come within this.
constexpr absl::Duration kSettleTime = absl::Milliseconds(2500);

constexpr absl::Duration kNoticeTimeout = absl::Seconds(10);
constexpr absl::Duration kNoticeInterval = absl::Milliseconds(20);

// Nobody can dial "all addresses": the machine's name stands for one of them.
std::string AddressToType(const std::string& listening) {
  const auto parsed = ParseHostPort(listening);
  if (!parsed.ok() || !IsWildcard(parsed->host)) return listening;
  return absl::StrCat(HostName(), ":", parsed->port);
}

// "2 workers", "pi-a, pi-b", "pi-a, and pi-b if it is there".
std::string WhoIsAwaited(const SessionOptions& options) {
  std::string text;
  if (!options.expected_names.empty()) {
    text = absl::StrJoin(options.expected_names, ", ");
  } else if (options.expect > 0) {
    text = absl::StrCat(options.any_may_join ? "at least " : "", options.expect,
                        options.expect == 1 ? " worker" : " workers");
  }
  if (!options.optional_names.empty()) {
    absl::StrAppend(&text, text.empty() ? "" : ", and ",
                    absl::StrJoin(options.optional_names, ", "), ", if there");
  }
  return text;
}

absl::Status Interrupted() { return absl::CancelledError("interrupted"); }

}  // namespace

absl::StatusOr<SessionOptions> SessionOptionsOf(const std::string& model,
                                                const WhereFlags& where,
                                                const HowFlags& how) {
  if (!where.cluster.empty()) {
    return SessionOptionsOfCluster(model, where, how);
  }
  SessionOptions options;
  options.model = model;
  SHOAL_ASSIGN_OR_RETURN(const uint32_t trained, TrainedContextOf(model));
  const bool elsewhere = !where.listen.empty();
  options.plan = PlanOptionsOf(how, trained, !elsewhere);
  const uint32_t count = std::max(where.local, 1u);
  // Equal devices: their measured rates differ by noise alone.
  if (!elsewhere && how.shares.empty()) options.plan.shares.assign(count, 1);
  SHOAL_ASSIGN_OR_RETURN(const std::vector<uint64_t> budgets,
                         LocalBudgets(how, count));
  SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(how.store));
  for (uint32_t i = 0; i < count; ++i) {
    LocalDeviceOptions device;
    device.name = elsewhere ? HostName() : absl::StrCat("local-", i);
    device.budget_bytes = budgets[i];
    device.threads = ThreadsOf(how, count);
    device.store_directory = DeviceStore(root, device.name);
    options.local_devices.push_back(std::move(device));
  }
  options.plan.run.may_poll = CoresSuffice(options.local_devices);
  options.isa = how.isa;
  options.io = how.io;
  options.memory_file = how.memory_file;
  if (elsewhere) {
    options.listen_address = where.listen;
    options.expect = where.expect;
    options.join_timeout = where.join_timeout;
    options.insecure = where.insecure;
    options.secrets = where.secrets;
    options.makes_secrets = true;
    options.trusted_lan = where.trusted_lan;
    options.offers = !where.no_offer;
    options.offer_port = static_cast<uint16_t>(where.offer_port);
    if (!where.token_file.empty()) {
      SHOAL_ASSIGN_OR_RETURN(options.token, ReadTokenFile(where.token_file));
      options.token_is_known = true;
    }
  }
  return options;
}

bool CoresSuffice(std::span<const LocalDeviceOptions> devices) {
  uint64_t threads = 0;
  for (const LocalDeviceOptions& device : devices) threads += device.threads;
  return threads <= std::thread::hardware_concurrency();
}

absl::StatusOr<std::unique_ptr<Session>> Session::Start(
    const SessionOptions& options, InterruptWatcher& interrupt) {
  SHOAL_ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                         Create(options, interrupt));
  std::string address;
  if (session->has_workers()) {
    SHOAL_ASSIGN_OR_RETURN(address, session->StartFleet());
  }
  SHOAL_RETURN_IF_ERROR(session->Load());
  // For those who want to watch; who waits for others has said where, and a
  // fleet that could not be loaded has one line for its fault.
  if (!address.empty() && options.expect == 0 &&
      options.optional_names.empty()) {
    session->progress_.Say(absl::StrCat("coordinator at ", address));
  }
  return session;
}

absl::StatusOr<std::unique_ptr<Session>> Session::Create(
    const SessionOptions& options, InterruptWatcher& interrupt) {
  SHOAL_ASSIGN_OR_RETURN(const FleetSecurity security,
                         FleetSecurityOf(options));
  SessionOptions with_token = options;
  if (security.secrets != nullptr) {
    with_token.token = security.secrets->token.ToText();
    with_token.secrets = security.folder;
  } else if (with_token.token.empty()) {
    with_token.token = MakeToken();
  }
  std::unique_ptr<Session> session(
      new Session(std::move(with_token), interrupt));
  session->secrets_ = security.secrets;
  const LocalDeviceOptions& own = options.local_devices[0];
  DeviceOptions device;
  device.name = own.name;
  device.store_directory = own.store_directory;
  device.disk_cap_bytes = own.disk_cap_bytes;
  device.budget_bytes = own.budget_bytes;
  device.threads = own.threads;
  device.isa = options.isa;
  device.io = options.io;
  device.memory_file = options.memory_file;
  SHOAL_ASSIGN_OR_RETURN(const HostPort listen,
                         ParseHostPort(options.listen_address));
  device.bind_address = listen.host;
  // A string of its own: GCC 12 warns of assigning the characters.
  device.advertised_address = std::string(proto::kReachedHost);
  SHOAL_ASSIGN_OR_RETURN(session->device_, MakeDevice(device));
  session->device_.profile.computes = options.coordinator_computes;

  DeviceExamination examination;
  examination.store_directory = device.store_directory;
  examination.io = device.io;
  examination.isa = device.isa;

  coordinator::CoordinatorOptions coordinator_options;
  coordinator_options.examine =
      ExaminerOf(examination, session->device_.profile);
  coordinator_options.listen_address = options.listen_address;
  coordinator_options.token = session->options_.token;
  coordinator_options.insecure = options.insecure;
  coordinator_options.secrets = security.secrets;
  coordinator_options.trusted_lan = options.trusted_lan;
  coordinator_options.program_version = SHOAL_VERSION;
  coordinator_options.device_names = options.device_names;
  coordinator_options.digest_directory =
      absl::StrCat(own.store_directory, "/digests");
  session->coordinator_ = coordinator::Coordinator::Create(
      std::move(coordinator_options), *session->device_.engine,
      session->device_.profile);
  session->rest_keeper_ = std::make_unique<RestKeeper>(
      *session->coordinator_, *session->device_.engine);
  return session;
}

Session::~Session() {
  rest_keeper_.reset();
  if (coordinator_ != nullptr) coordinator_->Shutdown();
  if (fleet_ != nullptr) fleet_->Stop(absl::Now() + kEndTimeout);
}

absl::StatusOr<std::string> Session::StartFleet() {
  SHOAL_ASSIGN_OR_RETURN(address_, coordinator_->Listen());
  SHOAL_RETURN_IF_ERROR(StartLocalWorkers());
  if (options_.expect > 0 || !options_.optional_names.empty()) {
    if (options_.offers) OfferToNetwork();
    SayHowToJoin();
  }
  return address_;
}

absl::Status Session::StartLocalWorkers() {
  LocalFleet::Options fleet;
  for (uint32_t i = 1; i < options_.local_devices.size(); ++i) {
    WorkerArguments worker;
    worker.join = address_;
    worker.local_rank = i;
    worker.isa = options_.isa;
    worker.io = options_.io;
    worker.device = options_.local_devices[i];
    fleet.workers.push_back({worker.device.name, ToWords(worker)});
  }
  if (fleet.workers.empty()) return absl::OkStatus();
  fleet.environment.push_back(
      absl::StrCat(kTokenVariable, "=", options_.token));
  fleet.on_exit = [this](const std::string& name, const std::string& why) {
    base::MutexLock lock(mutex_);
    lost_worker_ = absl::StrCat("the worker ", name, " ", why);
    if (joining_) interrupt_.cancel() = true;
  };
  SHOAL_ASSIGN_OR_RETURN(fleet_, LocalFleet::Start(std::move(fleet)));
  return absl::OkStatus();
}

void Session::OfferToNetwork() {
  auto offerer =
      OfferCoordinator(address_, secrets_.get(), options_.offer_port);
  if (offerer.ok()) {
    offerer_ = *std::move(offerer);
    return;
  }
  progress_.Say(absl::StrCat(
      "note: shoal discover will not find this coordinator (",
      offerer.status().message(), "); workers join by its address"));
}

void Session::SayHowToJoin() {
  const std::string join = AddressToType(address_);
  progress_.Say(absl::StrCat("waiting for ", WhoIsAwaited(options_), " at ",
                             address_, "; start them with"));
  if (secrets_ != nullptr) {
    // A terminal is the operator's; a file with the standard error may not be.
    const std::string token =
        isatty(STDERR_FILENO) != 0
            ? options_.token
            : absl::StrCat("TOKEN (TOKEN: the line in ",
                           security::FilesIn(options_.secrets).token, ")");
    progress_.Say(absl::StrCat("  shoal worker --join ", join, "#", token));
    return;
  }
  // A worker shows its token in clear only if it is told to.
  const auto listen = ParseHostPort(options_.listen_address);
  const char* const insecure =
      listen.ok() && !IsLoopback(listen->host) ? " --insecure" : "";
  progress_.Say(options_.token_is_known
                    ? absl::StrCat("  shoal worker --join ", join,
                                   " --token-file FILE", insecure)
                    : absl::StrCat("  ", kTokenVariable, "=", options_.token,
                                   " shoal worker --join ", join, insecure));
}

absl::Status Session::WaitForWorkers() {
  coordinator::JoinWish wish;
  wish.count = static_cast<uint32_t>(options_.local_devices.size() - 1) +
               options_.expect;
  wish.names = options_.expected_names;
  if (!options_.optional_names.empty() || options_.any_may_join) {
    wish.settle = kSettleTime;
  }
  if (!options_.any_may_join) {
    wish.count_max =
        wish.count + static_cast<uint32_t>(options_.optional_names.size());
  }
  const bool announce = options_.expect > 0 || !options_.optional_names.empty();
  const absl::Status status = coordinator_->WaitForWorkers(
      wish, absl::Now() + options_.join_timeout,
      [&](const coordinator::JoinProgress& joined) {
        if (announce || !joined.refusal.ok()) progress_.Joined(joined);
      },
      &interrupt_.cancel());
  base::MutexLock lock(mutex_);
  joining_ = false;
  if (interrupt_.interrupted()) return Interrupted();
  if (!lost_worker_.empty()) return absl::UnavailableError(lost_worker_);
  return status;
}

absl::Status Session::Load() {
  if (has_workers()) SHOAL_RETURN_IF_ERROR(WaitForWorkers());
  return LoadModel();
}

absl::StatusOr<uint32_t> Session::WithSessions(
    const std::function<absl::Status(const coordinator::PlanOptions&)>& load) {
  coordinator::PlanOptions plan = options_.plan;
  for (;;) {
    const absl::Status status = load(plan);
    if (status.ok()) return plan.run.session_count;
    if (!absl::IsResourceExhausted(status) ||
        !options_.fewer_sessions_will_do || plan.run.session_count == 1) {
      return status;
    }
    plan.run.session_count /= 2;
    plan.run.logits_rows_max = plan.run.session_count;
  }
}

absl::Status Session::TakeLoaded(
    const absl::StatusOr<uint32_t>& session_count) {
  if (interrupt_.interrupted()) return Interrupted();
  SHOAL_RETURN_IF_ERROR(session_count.status());
  session_count_ = *session_count;
  for (const std::string& note : coordinator_->plan().notes) {
    progress_.Say(absl::StrCat("note: ", note));
  }
  return absl::OkStatus();
}

absl::Status Session::LoadModel() {
  return TakeLoaded(WithSessions([this](const coordinator::PlanOptions& plan) {
    const absl::Status status = coordinator_->LoadModel(
        options_.model, plan,
        [this](const coordinator::DeviceProgress& progress) {
          progress_.Loading(progress);
        },
        &interrupt_.cancel());
    progress_.Done();
    return status;
  }));
}

absl::Status Session::TryPlan(const std::set<std::string>& drained) {
  return WithSessions([&](const coordinator::PlanOptions& plan) {
           return coordinator_->TryPlan(plan, drained).status();
         })
      .status();
}

absl::Status Session::Reload(
    const std::function<void(const coordinator::DeviceProgress&)>& on_news) {
  return TakeLoaded(WithSessions([&](const coordinator::PlanOptions& plan) {
    const absl::Status status = coordinator_->Reload(
        plan,
        [&](const coordinator::DeviceProgress& progress) {
          progress_.Loading(progress);
          on_news(progress);
        },
        &interrupt_.cancel());
    progress_.Done();
    return status;
  }));
}

absl::Status Session::Recover() {
  coordinator_->Unload();
  bool is_worker_gone = false;
  {
    base::MutexLock lock(mutex_);
    is_worker_gone = !lost_worker_.empty();
    lost_worker_.clear();
    joining_ = true;
  }
  if (is_worker_gone) {
    fleet_ = nullptr;
    // Their places are free when the coordinator has noticed.
    const absl::Time deadline = absl::Now() + kNoticeTimeout;
    while (coordinator_->devices().size() > 1 + options_.expect &&
           absl::Now() < deadline) {
      absl::SleepFor(kNoticeInterval);
    }
    SHOAL_RETURN_IF_ERROR(StartLocalWorkers());
  }
  if (!interrupt_.interrupted()) interrupt_.cancel() = false;
  return Load();
}

absl::StatusOr<uint32_t> TrainedContextOf(const std::string& model) {
  SHOAL_ASSIGN_OR_RETURN(const auto file, coordinator::ModelFile::Read(model));
  return file->spec.trained_context;
}

}  // namespace shoal::cli

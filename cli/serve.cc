#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log_ring.h"
#include "base/status_macros.h"
#include "cli/cluster_find.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/flags_where.h"
#include "cli/http_flags.h"
#include "cli/interrupt.h"
#include "cli/session.h"
#include "cli/trace_file.h"
#include "cli/verbs.h"
#include "coordinator/fleet_changes.h"
#include "coordinator/request_queue.h"
#include "http/server.h"
#include "parallel/rank.h"

namespace shoal::cli {
namespace {

using coordinator::FleetChanges;
using coordinator::RequestQueue;
using coordinator::ServiceState;

constexpr uint32_t kSlotsDefault = 4;
constexpr uint32_t kWaitingMax = 240;
// Connections beside those of the requests: probes, and requests that arrive.
constexpr uint32_t kSpareConnections = 16;
static_assert(parallel::kSessionCountMax + kWaitingMax + kSpareConnections <=
              http::HttpServer::kConnectionCountMax);
// How often it is asked whether a worker went, or the socket of HTTP, while
// nothing runs; of interrupts, faults and changes the queue is told.
constexpr absl::Duration kWatchInterval = absl::Seconds(1);
constexpr absl::Duration kRetryInterval = absl::Seconds(2);
// How soon an interrupt is seen meanwhile.
constexpr absl::Duration kRetryLook = absl::Milliseconds(300);
// Requests in a trace: more than its events of devices cover.
constexpr uint32_t kTracedRequestsMax = 10000;

struct ServeFlags {
  std::string model;
  HttpFlags http = {.address = "127.0.0.1:8080"};
  uint32_t slots = 0;  // 0: kSlotsDefault, or fewer where memory is short
  uint32_t waiting = 32;
  absl::Duration grace = absl::Seconds(10);
  WhereFlags where;
  HowFlags how;
};

void Say(absl::string_view line) {
  base::LogRing::OfProcess().Add(base::LogLevel::kInfo, line);
  std::fprintf(stderr, "%s\n", std::string(line).c_str());
}

absl::StatusOr<SessionOptions> OptionsOf(const ServeFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(SessionOptions options,
                         SessionOptionsOf(flags.model, flags.where, flags.how));
  const uint32_t slots = flags.slots == 0 ? kSlotsDefault : flags.slots;
  options.plan.run.session_count = slots;
  options.plan.run.logits_rows_max = slots;
  options.fewer_sessions_will_do = flags.slots == 0;
  return options;
}

absl::StatusOr<std::unique_ptr<http::HttpServer>> StartHttp(
    const ServeFlags& flags, const SessionOptions& options,
    RequestQueue& queue) {
  http::HttpServer::Options server;
  SHOAL_ASSIGN_OR_RETURN(const HostPort address, HttpAddressOf(flags.http));
  server.host = address.host;
  server.port = address.port;
  SHOAL_ASSIGN_OR_RETURN(server.api_key, ApiKeyOf(flags.http));
  server.host_names = flags.http.host_names;
  server.model_name = std::filesystem::path(options.model).stem().string();
  server.connection_count_max =
      options.plan.run.session_count + flags.waiting + kSpareConnections;
  SHOAL_ASSIGN_OR_RETURN(auto started, http::HttpServer::Start(server, queue));
  Say(absl::StrCat("HTTP at ", HttpUrl(address.host, started->port()),
                   "/v1, model ", server.model_name));
  return started;
}

// Ready until the plan ends, nobody can connect any more or there is an
// interrupt; why it ended.
absl::Status ServeUntilFault(Session& session, RequestQueue& queue,
                             FleetChanges& changes,
                             const http::HttpServer& http,
                             InterruptWatcher& interrupt) {
  queue.SetReady(session.session_count());
  changes.SetServing();
  interrupt.CallOnInterrupt([&] { queue.Nudge(); });
  const absl::Cleanup not_serving = [&] {
    interrupt.CallOnInterrupt(nullptr);
    changes.SetNotServing();
  };
  Say(absl::StrCat("ready: ", session.session_count(),
                   " requests at a time, each of up to ",
                   session.coordinator().context_positions(), " tokens"));
  while (!interrupt.interrupted() && http.serving()) {
    if (queue.WaitForFault(absl::Now() + kWatchInterval) ==
        ServiceState::kFailed) {
      return queue.reason();
    }
    // A worker can go while nobody asks for anything.
    SHOAL_RETURN_IF_ERROR(session.coordinator().plan_failure());
    SHOAL_RETURN_IF_ERROR(changes.Work(&interrupt.cancel()));
  }
  return absl::OkStatus();
}

FleetChanges::Options ChangeOptions(Session& session) {
  FleetChanges::Options options;
  options.try_plan = [&session](const auto& drained) {
    return session.TryPlan(drained);
  };
  options.reload =
      [&session](const auto& progress) -> absl::StatusOr<uint32_t> {
    SHOAL_RETURN_IF_ERROR(session.Reload(progress));
    return session.session_count();
  };
  options.say = Say;
  return options;
}

// False: interrupted.
bool Recover(Session& session, RequestQueue& queue,
             const InterruptWatcher& interrupt, absl::Status why) {
  while (!interrupt.interrupted()) {
    queue.SetNotReady(ServiceState::kFailed, why);
    Say(absl::StrCat("the model is not running any more: ", why.message(),
                     "; it is loaded again when all workers are here"));
    why = session.Recover();
    if (why.ok()) return true;
    const absl::Time next = absl::Now() + kRetryInterval;
    while (!interrupt.interrupted() && absl::Now() < next) {
      absl::SleepFor(kRetryLook);
    }
  }
  return false;
}

absl::Status Serve(const ServeFlags& flags) {
  InterruptWatcher interrupt;
  std::unique_ptr<TraceFile> trace;
  if (!flags.how.trace.empty()) {
    SHOAL_ASSIGN_OR_RETURN(trace, TraceFile::Create(flags.how.trace));
  }
  SHOAL_ASSIGN_OR_RETURN(const SessionOptions options, OptionsOf(flags));
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                         Session::Create(options, interrupt));
  RequestQueue::Options queue_options;
  queue_options.waiting_count_max = flags.waiting;
  if (trace != nullptr) queue_options.record_count_max = kTracedRequestsMax;
  RequestQueue queue(queue_options, session->coordinator());
  session->coordinator().SetClientGenerator(
      [&queue](const auto& request, const auto& on_text, const auto& is_gone) {
        return queue.Generate(request, on_text, is_gone);
      });
  session->coordinator().SetQueueProbe([&queue] {
    const coordinator::ServiceCounters counters = queue.counters();
    return coordinator::QueueState{counters.waiting_count,
                                   counters.refused_count};
  });
  FleetChanges changes(ChangeOptions(*session), session->coordinator(), queue);
  session->coordinator().SetFleetChanger(
      [&changes](const auto& change, const auto& on_news) {
        return changes.Ask(change, on_news);
      });
  // First, so that its memory counts for the plan and clients learn how far
  // loading is.
  SHOAL_ASSIGN_OR_RETURN(const auto http, StartHttp(flags, options, queue));
  // However this ends: the services call the queue, which ends before them.
  const absl::Cleanup shutdown = [&] {
    changes.Close();
    session->coordinator().Shutdown();
  };
  SHOAL_ASSIGN_OR_RETURN(const std::string address, session->StartFleet());
  Say(absl::StrCat("gRPC at ", address));
  absl::Status status = session->Load();
  while (status.ok() && !interrupt.interrupted()) {
    const absl::Status fault =
        ServeUntilFault(*session, queue, changes, *http, interrupt);
    if (!http->serving()) {
      status = absl::UnavailableError(absl::StrCat(
          "the service takes no connections any more, because its socket at "
          "port ",
          http->port(), " failed; start it again"));
    } else if (!fault.ok() && !Recover(*session, queue, interrupt, fault)) {
      break;
    }
  }
  if (interrupt.interrupted()) Say("stopping");
  queue.Stop(absl::Now() + flags.grace);
  absl::Status saved;
  if (trace != nullptr) {
    saved = SaveTrace(session->coordinator(), *trace, queue.records());
  }
  // That is how a service is ended: no fault.
  if (!interrupt.interrupted()) saved.Update(status);
  return saved;
}

absl::Status CheckServeFlags(ServeFlags& flags) {
  SHOAL_RETURN_IF_ERROR(ChooseCluster(flags.where));
  SHOAL_RETURN_IF_ERROR(CheckWhereFlags(flags.where));
  if (flags.model.empty() && flags.where.cluster.empty()) {
    return absl::InvalidArgumentError(
        "--model is missing (a GGUF file, or a --cluster that names one)");
  }
  return CheckHttpFlags(flags.http);
}

void AddServiceFlags(Command& verb, ServeFlags& flags) {
  constexpr char kGroup[] = "Service";
  AddHttpFlags(kGroup, verb, flags.http);
  verb.AddFlag({.names = "--slots",
                .value = "N",
                .help = "Requests served at a time, each with --ctx positions "
                        "(4, or fewer where memory is short)",
                .group = kGroup},
               SetUint(&flags.slots, 1, parallel::kSessionCountMax));
  verb.AddFlag({.names = "--queue",
                .value = "N",
                .help = "Requests that may wait (32)",
                .group = kGroup},
               SetUint(&flags.waiting, 1, kWaitingMax));
  verb.AddFlag({.names = "--grace",
                .value = "TIME",
                .help = "How long requests may go on after an interrupt (10s)",
                .group = kGroup},
               SetDuration(&flags.grace));
}

}  // namespace

void AddServeVerb(Command& root) {
  Command& verb = root.AddVerb("serve", "Answers programs over HTTP and gRPC");
  auto flags = std::make_shared<ServeFlags>();
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file"},
               SetText(&flags->model));
  AddServiceFlags(verb, *flags);
  AddWhereFlags(verb, flags->where);
  AddHowFlags(verb, flags->how);
  AddTraceFlag(verb, flags->how);
  AddMemoryFileFlag(verb, flags->how);
  verb.SetDetails(
      "Clients of the OpenAI dialect find /v1/chat/completions,\n"
      "/v1/completions and /v1/models; /healthz, /readyz and /metrics tell "
      "how\n"
      "it is. The model is loaded once. Several requests are served at a "
      "time,\n"
      "at the same pace; further ones wait. If a worker is lost, requests in\n"
      "progress end with an error, and the model is loaded again as soon as\n"
      "all workers are back. shoal drain, resume and replan change the plan "
      "of a\n"
      "service; requests wait or go on then. An interrupt lets requests "
      "finish\n"
      "(--grace); a second one ends it at once.\n\n"
      "Examples:\n"
      "  shoal serve -m MODEL.gguf --local 2\n"
      "  shoal serve -m MODEL.gguf --http 0.0.0.0:8080 --api-key-file KEY\n"
      "  curl http://127.0.0.1:8080/v1/chat/completions \\\n"
      "      -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'");
  verb.SetCheck([flags] { return CheckServeFlags(*flags); });
  verb.SetRunner([flags] { return Serve(*flags); });
}

}  // namespace shoal::cli

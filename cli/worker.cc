#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/device.h"
#include "cli/device_examiner.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/flags_where.h"
#include "cli/interrupt.h"
#include "cli/offers.h"
#include "cli/store_root.h"
#include "cli/verbs.h"
#include "cli/worker_arguments.h"
#include "security/join_token.h"
#include "worker/fleet_identity.h"
#include "worker/worker_service.h"

namespace shoal::cli {
namespace {

struct WorkerFlags {
  WorkerArguments worker;
  HowFlags how;
  std::string name;
  std::string token_file;
  std::string bind;
  std::string system_root = "/";
  bool insecure = false;
  uint32_t offer_port = discovery::kOfferPort;
};

// How this worker proves itself.
struct Proof {
  std::string token;  // without TLS
  bool tls = false;
  std::optional<security::JoinToken> join_token;
};

absl::StatusOr<Proof> ProofOf(const WorkerFlags& flags,
                              const std::string& identity_directory) {
  SHOAL_ASSIGN_OR_RETURN(const security::JoinTarget target,
                         security::JoinTarget::Parse(flags.worker.join));
  SHOAL_ASSIGN_OR_RETURN(const HostPort join, ParseHostPort(target.address));
  Proof proof;
  proof.join_token = target.token;
  const char* variable = std::getenv(kTokenVariable);
  if (!flags.token_file.empty()) {
    SHOAL_ASSIGN_OR_RETURN(proof.token, ReadTokenFile(flags.token_file));
  } else if (variable != nullptr) {
    proof.token = variable;
  }
  unsetenv(kTokenVariable);
  if (target.token) {
    proof.token = target.token->ToText();
  } else if (security::JoinToken::LooksLikeOne(proof.token)) {
    SHOAL_ASSIGN_OR_RETURN(proof.join_token,
                           security::JoinToken::Parse(proof.token));
  }
  if (flags.insecure) return proof;
  const bool has_other_token = !proof.token.empty() && !proof.join_token;
  if (IsLoopback(join.host)) {
    proof.tls = proof.join_token ||
                (!has_other_token && worker::HasIdentity(identity_directory));
    return proof;
  }
  proof.tls = true;
  if (!has_other_token) return proof;
  return absl::InvalidArgumentError(absl::StrCat(
      "the token given is not that of a fleet with certificates, which begins "
      "with ",
      security::JoinToken::kPrefix,
      "; take the one that the coordinator shows, or start both with "
      "--insecure on a network all of which you trust"));
}

// The address of this machine from which `to` is reached; no packet is sent.
absl::StatusOr<std::string> OwnAddressTowards(const HostPort& to) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(to.host.c_str(), absl::StrCat(to.port).c_str(),
                                &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("--join ", to.host, ": ", gai_strerror(error)));
  }
  const int file = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage own = {};
  socklen_t size = sizeof(own);
  std::array<char, NI_MAXHOST> text = {};
  const bool known =
      file >= 0 && connect(file, found->ai_addr, found->ai_addrlen) == 0 &&
      getsockname(file, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
      getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text.data(),
                  text.size(), nullptr, 0, NI_NUMERICHOST) == 0;
  if (file >= 0) close(file);
  freeaddrinfo(found);
  if (known) return std::string(text.data());
  return absl::UnavailableError(
      absl::StrCat("no route to ", to.host, "; give --bind ADDRESS"));
}

absl::StatusOr<std::string> BindAddress(const WorkerFlags& flags,
                                        const HostPort& join, bool tls) {
  std::string address = flags.bind;
  if (address.empty()) {
    if (IsLoopback(join.host)) return std::string("127.0.0.1");
    SHOAL_ASSIGN_OR_RETURN(address, OwnAddressTowards(join));
  }
  if (!flags.insecure && !tls &&
      !(IsLoopback(join.host) && IsLoopback(address))) {
    return absl::FailedPreconditionError(absl::StrCat(
        "links beyond this machine (", address, " to ", join.host,
        ") would not be encrypted; join with the token of a fleet with "
        "certificates (--join HOST:PORT#TOKEN), or allow it with --insecure on "
        "a network all of which you trust"));
  }
  return address;
}

// What an operator asks of this device goes by these.
void AnswerInquiries(const WorkerFlags& flags, const DeviceOptions& device,
                     const parallel::DeviceProfile& profile,
                     worker::WorkerServiceOptions& to) {
  DeviceExamination examination;
  examination.system_root = flags.system_root;
  examination.store_directory = device.store_directory;
  examination.io = device.io;
  examination.isa = device.isa;
  to.examine = ExaminerOf(examination, profile);
  to.bind_address = InBrackets(device.bind_address);
  to.advertised_address = InBrackets(device.advertised_address);
}

absl::Status RunWorker(const WorkerFlags& flags) {
  // Its callback needs the service, which is made later.
  worker::WorkerService* service = nullptr;
  base::Mutex mutex;
  InterruptWatcher interrupt([&] {
    base::MutexLock lock(mutex);
    if (service != nullptr) service->Stop();
  });
  const bool local = flags.worker.local_rank > 0;
  DeviceOptions options;
  options.name = flags.name.empty() ? HostName() : flags.name;
  options.budget_bytes = flags.worker.device.budget_bytes;
  options.memory_file = flags.how.memory_file;
  options.disk_cap_bytes = flags.worker.device.disk_cap_bytes;
  options.threads = ThreadsOf(flags.how, 1);
  options.isa = flags.how.isa;
  options.io = flags.how.io;
  if (local) {
    options.store_directory = flags.how.store;
  } else {
    SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(flags.how.store));
    options.store_directory = DeviceStore(root, options.name);
  }
  worker::WorkerServiceOptions service_options;
  service_options.identity_directory =
      absl::StrCat(options.store_directory, "/identity");
  SHOAL_ASSIGN_OR_RETURN(Proof proof,
                         ProofOf(flags, service_options.identity_directory));
  service_options.token = std::move(proof.token);
  service_options.tls = proof.tls;
  service_options.join_token = proof.join_token;
  service_options.coordinator_address =
      flags.worker.join.substr(0, flags.worker.join.find('#'));
  SHOAL_ASSIGN_OR_RETURN(const HostPort join,
                         ParseHostPort(service_options.coordinator_address));
  SHOAL_ASSIGN_OR_RETURN(options.bind_address,
                         BindAddress(flags, join, proof.tls));
  if (IsWildcard(options.bind_address)) {
    SHOAL_ASSIGN_OR_RETURN(options.advertised_address, OwnAddressTowards(join));
  }
  SHOAL_ASSIGN_OR_RETURN(const Device device, MakeDevice(options));
  AnswerInquiries(flags, options, device.profile, service_options);
  service_options.program_version = SHOAL_VERSION;
  service_options.order = flags.worker.local_rank;
  service_options.single_session = local;
  if (!local) {
    service_options.on_event = [](absl::string_view event) {
      std::fprintf(stderr, "%s\n", std::string(event).c_str());
    };
  }
  worker::WorkerService own_service(std::move(service_options), *device.engine,
                                    device.profile);
  {
    base::MutexLock lock(mutex);
    service = &own_service;
  }
  const absl::Status status =
      interrupt.interrupted() ? absl::OkStatus() : own_service.Run();
  {
    base::MutexLock lock(mutex);
    service = nullptr;
  }
  if (interrupt.interrupted()) return absl::CancelledError("interrupted");
  return status;
}

}  // namespace

std::vector<std::string> ToWords(const WorkerArguments& arguments) {
  const LocalDeviceOptions& device = arguments.device;
  std::vector<std::string> words = {"worker",
                                    "--join",
                                    arguments.join,
                                    "--name",
                                    device.name,
                                    "--memory",
                                    absl::StrCat(device.budget_bytes),
                                    "--threads",
                                    absl::StrCat(device.threads),
                                    "--store",
                                    device.store_directory,
                                    "--isa",
                                    arguments.isa,
                                    "--io",
                                    WordOf(arguments.io),
                                    "--local-rank",
                                    absl::StrCat(arguments.local_rank)};
  if (device.disk_cap_bytes != UINT64_MAX) {
    words.push_back("--disk-cap");
    words.push_back(absl::StrCat(device.disk_cap_bytes));
  }
  return words;
}

void AddWorkerVerb(Command& root) {
  Command& verb = root.AddVerb("worker", "Lend this machine to a coordinator");
  auto flags = std::make_shared<WorkerFlags>();
  // Before the flag that asks at it.
  AddOfferPortFlag(verb, &flags->offer_port);
  verb.AddFlag(
      {.names = "--join",
       .value = "HOST:PORT#TOKEN",
       .help = "The coordinator, and the token that it shows; a device "
               "that has joined before needs no token",
       .required = true,
       .if_missing =
           [flags] {
             return OffersHint(static_cast<uint16_t>(flags->offer_port));
           }},
      SetText(&flags->worker.join));
  verb.AddFlag({.names = "--token-file",
                .value = "FILE",
                .help = "The join token, if it is not in --join (else from the "
                        "variable SHOAL_TOKEN)"},
               SetText(&flags->token_file));
  verb.AddFlag({.names = "--memory",
                .value = "SIZE",
                .help = "What the process may use for everything together "
                        "(80 % of the free memory)"},
               SetBytes(&flags->worker.device.budget_bytes));
  AddMemoryFileFlag(verb, flags->how);
  verb.AddFlag({.names = "--disk-cap",
                .value = "SIZE",
                .help = "Most disk for weights (no limit)"},
               SetBytes(&flags->worker.device.disk_cap_bytes));
  verb.AddFlag({.names = "--name",
                .value = "NAME",
                .help = "The name of this device (the machine's)"},
               SetText(&flags->name));
  AddDeviceFlags(verb, flags->how);
  verb.AddFlag({.names = "--bind",
                .value = "ADDRESS",
                .help = "Where other workers reach this one (the address that "
                        "faces the coordinator)"},
               SetText(&flags->bind));
  verb.AddSwitch({.names = "--insecure",
                  .help = "Join without TLS a coordinator with --insecure: "
                          "anyone on the network can read and alter "
                          "everything, the token, too"},
                 &flags->insecure);
  verb.AddFlag({.names = "--system-root",
                .value = "DIR",
                .help = "As of shoal doctor",
                .hidden = true},
               SetText(&flags->system_root));
  verb.AddFlag({.names = "--local-rank",
                .value = "N",
                .help = "Set by --local for the processes it starts",
                .hidden = true},
               SetUint(&flags->worker.local_rank, 1, kLocalDevicesMax));
  verb.SetDetails(
      "A worker keeps its weights on disk, serves one model after another and\n"
      "one coordinator after another, and dials again when one is lost. Where\n"
      "the system runs short of memory, it gives up weights that it keeps\n"
      "there and reads them from disk instead.\n\n"
      "Example:\n"
      "  shoal worker --join 192.168.1.10:7070#shoal1-... --memory 500MiB");
  verb.SetCheck([flags]() -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const security::JoinTarget target,
                           security::JoinTarget::Parse(flags->worker.join));
    return ParseHostPort(target.address).status();
  });
  verb.SetRunner([flags] { return RunWorker(*flags); });
}

}  // namespace shoal::cli

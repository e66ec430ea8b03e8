#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/device.h"
#include "cli/device_examiner.h"
#include "cli/diagnostics_client.h"
#include "cli/finding_text.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/flags_where.h"
#include "cli/fleet_view.h"
#include "cli/join_checks.h"
#include "cli/operator_flags.h"
#include "cli/store_root.h"
#include "cli/verbs.h"
#include "memory/process_memory.h"

namespace shoal::cli {
namespace {

// In the place of a device's name.
constexpr char kAllDevices[] = "all";

struct DoctorFlags {
  std::string device;
  OperatorFlags where;
  std::string join;
  bool insecure = false;
  HowFlags how;
  uint64_t budget_bytes = 0;
  std::string system_root = "/";
  bool json = false;
};

absl::StatusOr<ExaminedDevice> ExamineThisDevice(const DoctorFlags& flags) {
  DeviceExamination examination;
  examination.system_root = flags.system_root;
  SHOAL_ASSIGN_OR_RETURN(const std::string root, StoreRoot(flags.how.store));
  examination.store_directory = DeviceStore(root, HostName());
  examination.io = flags.how.io;
  examination.isa = flags.how.isa;
  examination.duty.threads = ThreadsOf(flags.how, 1);
  examination.duty.budget_bytes = flags.budget_bytes;
  return ExaminedDevice{HostName(), ExamineDevice(examination)};
}

absl::StatusOr<JoinCheckOptions> JoinOptionsOf(const DoctorFlags& flags) {
  JoinCheckOptions options;
  SHOAL_ASSIGN_OR_RETURN(const security::JoinTarget target,
                         security::JoinTarget::Parse(flags.join));
  options.address = target.address;
  options.join_token = target.token;
  options.insecure = flags.insecure;
  options.program_version = SHOAL_VERSION;
  const char* variable = std::getenv(kTokenVariable);
  std::string token;
  if (!flags.where.token_file.empty()) {
    SHOAL_ASSIGN_OR_RETURN(token, ReadTokenFile(flags.where.token_file));
  } else if (variable != nullptr) {
    token = variable;
  }
  if (!options.join_token && security::JoinToken::LooksLikeOne(token)) {
    SHOAL_ASSIGN_OR_RETURN(options.join_token,
                           security::JoinToken::Parse(token));
  } else if (!options.join_token) {
    options.plain_token = token;
    SHOAL_ASSIGN_OR_RETURN(const HostPort to, ParseHostPort(target.address));
    // As workers do: on this machine a fleet may have no certificates.
    if (IsLoopback(to.host) && !token.empty()) options.insecure = true;
  }
  return options;
}

// Of a fleet that runs, its devices that are not here, too.
absl::StatusOr<std::vector<ExaminedDevice>> ExamineDevices(
    const DoctorFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const OperatorTarget where,
                         OperatorTargetOf(flags.where));
  const bool is_all = flags.device == kAllDevices;
  CoordinatorClient client(where.target);
  absl::StatusOr<FleetState> state = client.State(absl::Seconds(5));
  if (absl::IsUnavailable(state.status())) {
    return absl::UnavailableError(absl::StrCat(
        state.status().message(),
        "; without one, shoal doctor checks this device, and shoal doctor "
        "--join HOST:PORT#TOKEN whether it could join"));
  }
  SHOAL_RETURN_IF_ERROR(state.status());
  const FleetView view = ViewOf(*std::move(state), where.config.devices);
  std::vector<ExaminedDevice> devices;
  for (const NodeView& node : view.nodes) {
    const std::string& name = node.device.name;
    if (node.is_here || !(is_all || name == flags.device)) continue;
    const std::string fix = absl::StrCat(
        "start it there (shoal worker --join ...), or shoal launch; if it "
        "does not join, on that device: shoal doctor --join ",
        where.target.address, "#TOKEN");
    devices.push_back(
        {name,
         {node.state == "missing"
              ? health::Fail("joined", "it is not here",
                             "every device of the "
                             "cluster file",
                             fix)
              : health::Warn("joined", "it is not here, and optional",
                             "every device of the cluster file", fix)}});
  }
  if (!is_all && !devices.empty()) return devices;
  std::fputs("checking the devices and the links between them\n", stderr);
  SHOAL_ASSIGN_OR_RETURN(
      std::vector<ExaminedDevice> here,
      ExamineFleet(where.target, is_all ? "" : flags.device));
  devices.insert(devices.begin(), std::make_move_iterator(here.begin()),
                 std::make_move_iterator(here.end()));
  return devices;
}

absl::Status Doctor(const DoctorFlags& flags) {
  std::vector<ExaminedDevice> devices;
  if (!flags.device.empty()) {
    SHOAL_ASSIGN_OR_RETURN(devices, ExamineDevices(flags));
  } else {
    SHOAL_ASSIGN_OR_RETURN(ExaminedDevice own, ExamineThisDevice(flags));
    if (!flags.join.empty()) {
      SHOAL_ASSIGN_OR_RETURN(const JoinCheckOptions join, JoinOptionsOf(flags));
      for (health::Finding& finding : CheckJoin(join)) {
        own.findings.push_back(std::move(finding));
      }
    }
    devices.push_back(std::move(own));
  }
  std::fputs(flags.json ? (FindingJson(devices) + "\n").c_str()
                        : FindingText(devices).c_str(),
             stdout);
  return VerdictOf(devices);
}

void AddDoctorFlags(Command& verb, DoctorFlags& flags) {
  verb.AddFlag({.names = "DEVICE",
                .help = "A device of the running fleet, or all of them (all); "
                        "none: this device, with or without a fleet"},
               SetText(&flags.device));
  verb.AddFlag({.names = "--join",
                .value = "HOST:PORT#TOKEN",
                .help = "Also whether this device could join that fleet, and "
                        "if not, why"},
               SetText(&flags.join));
  AddOperatorFlags(verb, flags.where);
  verb.AddFlag({.names = "--memory",
                .value = "SIZE",
                .help = "The memory cap that this device is to have"},
               SetBytes(&flags.budget_bytes));
  AddDeviceFlags(verb, flags.how);
  verb.AddSwitch({.names = "--insecure",
                  .help = "With --join: the coordinator runs with --insecure"},
                 &flags.insecure);
  verb.AddFlag({.names = "--system-root",
                .value = "DIR",
                .help = "In the place of / for /proc and /sys",
                .hidden = true},
               SetText(&flags.system_root));
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags.json);
}

}  // namespace

void AddDoctorVerb(Command& root) {
  Command& verb =
      root.AddVerb("doctor", "What is wrong with a device, and the fix");
  auto flags = std::make_shared<DoctorFlags>();
  AddDoctorFlags(verb, *flags);
  verb.SetDetails(
      "PASS, WARN or FAIL for each check: instruction set, processor time,\n"
      "memory and its limits, disk and its rate, network, heat, power; of a\n"
      "fleet also versions, clocks, and for each link ports both ways, round\n"
      "trip and jitter. The exit code is 1 if one failed.\n\n"
      "Examples:\n"
      "  shoal doctor                                   this device\n"
      "  shoal doctor --join 192.168.1.10:7070#shoal1-...\n"
      "  shoal doctor pi4-b                             through the "
      "coordinator\n"
      "  shoal doctor all --json");
  verb.SetCheck([flags]() -> absl::Status {
    if (flags->join.empty()) return absl::OkStatus();
    if (!flags->device.empty()) {
      return absl::InvalidArgumentError(
          "DEVICE and --join: a device checks by itself whether it could join; "
          "run shoal doctor --join there");
    }
    SHOAL_ASSIGN_OR_RETURN(const security::JoinTarget target,
                           security::JoinTarget::Parse(flags->join));
    return ParseHostPort(target.address).status();
  });
  verb.SetRunner([flags] { return Doctor(*flags); });
}

}  // namespace shoal::cli

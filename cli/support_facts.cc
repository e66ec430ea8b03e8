#include "cli/support_facts.h"

#include <sys/utsname.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "cli/coordinator_dial.h"
#include "cli/diagnostics_client.h"
#include "cli/finding_text.h"
#include "cli/fleet_security.h"
#include "cli/log_text.h"
#include "google/protobuf/util/json_util.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "health/system_files.h"
#include "kernels/kernel_table.h"
#include "proto/fleet_protocol.h"
#include "proto/operator.grpc.pb.h"

namespace shoal::cli {
namespace {

using Files = std::map<std::string, std::string>;

constexpr absl::Duration kTimeout = absl::Seconds(5);
constexpr char kRemoved[] = "[removed]";

constexpr char kReadme[] =
    "What shoal support-bundle has collected. Join tokens and keys have been\n"
    "taken out; prompts and answers are nowhere in it. Names of devices,\n"
    "addresses and paths are: look through it before you pass it on.\n\n"
    "versions.txt      program, protocol, system, processor\n"
    "cluster.textproto the cluster file\n"
    "status.json       devices with their profiles, model, state\n"
    "plan.json         who computes what\n"
    "doctor.json       checks of all devices and of the links between them\n"
    "doctor-here.json  checks of the device on which this was collected\n"
    "logs.txt          the last lines of all devices, by time\n"
    "missing.txt       what could not be had, and why\n";

std::string Versions(const SupportOptions& options) {
  const health::SystemFiles system;
  utsname name = {};
  uname(&name);
  std::string cpu;
  const std::string info = system.Text("/proc/cpuinfo").value_or("");
  for (const absl::string_view line : absl::StrSplit(info, '\n')) {
    if (!absl::StartsWith(line, "model name") &&
        !absl::StartsWith(line, "Model") &&
        !absl::StartsWith(line, "CPU part")) {
      continue;
    }
    if (!absl::StrContains(cpu, line)) absl::StrAppend(&cpu, line, "\n");
  }
  return absl::StrCat("shoal ", options.program_version, ", protocol ",
                      proto::kFleetProtocolVersion, "\ndevice ",
                      options.own_name, "\n", name.sysname, " ", name.release,
                      " ", name.machine, "\n",
                      absl::StrJoin(kernels::AvailableIsas(), " "), "\n", cpu,
                      "\n", system.Text("/etc/os-release").value_or(""), "\n\n",
                      system.Text("/proc/meminfo").value_or(""), "\n");
}

template <typename Message>
std::string Json(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto done =
      google::protobuf::util::MessageToJsonString(message, &text, options);
  return done.ok() ? text : std::string(done.message());
}

void Miss(Files& files, absl::string_view what, const absl::Status& why) {
  absl::StrAppend(&files["missing.txt"], what, ": ", why.message(), "\n");
}

void AddFleet(const ClientTarget& target, Files& files) {
  const auto stub = proto::Operator::NewStub(DialCoordinator(target));
  const auto prepare = [&](grpc::ClientContext& context) {
    ShowToken(target, context);
    LimitTime(context, kTimeout);
  };
  grpc::ClientContext status_context;
  prepare(status_context);
  proto::FleetStatus status;
  const absl::Status asked =
      AnswerOf(target, stub->GetStatus(&status_context, {}, &status));
  if (!asked.ok()) {
    Miss(files, "status, plan, doctor, logs", asked);
    return;
  }
  files["status.json"] = Json(status);
  grpc::ClientContext plan_context;
  prepare(plan_context);
  proto::Plan plan;
  const absl::Status planned =
      AnswerOf(target, stub->GetPlan(&plan_context, {}, &plan));
  if (planned.ok()) {
    files["plan.json"] = Json(plan);
  } else {
    Miss(files, "plan", planned);
  }
  const auto examined = ExamineFleet(target, "");
  if (examined.ok()) {
    files["doctor.json"] = FindingJson(*examined) + "\n";
  } else {
    Miss(files, "doctor", examined.status());
  }
  LogPlaces places;
  const auto log = ReadWholeFleetLog(target, "", base::LogLevel::kInfo, places);
  if (!log.ok()) {
    Miss(files, "logs", log.status());
    return;
  }
  std::string& text = files["logs.txt"];
  constexpr size_t kNameWidth = 12;
  for (const FleetLogLine& line : log->lines) {
    absl::StrAppend(&text, LogText(line, kNameWidth, absl::UTCTimeZone()),
                    "\n");
  }
  for (const std::string& device : log->silent) {
    Miss(files, absl::StrCat("log of ", device),
         absl::UnavailableError("it does not answer"));
  }
}

}  // namespace

void Redactor::AddSecret(absl::string_view secret) {
  if (secret.size() >= kSecretBytesMin) secrets_.emplace_back(secret);
}

std::string Redactor::Clean(absl::string_view text) const {
  std::string clean(text);
  for (const std::string& secret : secrets_) {
    clean = absl::StrReplaceAll(clean, {{secret, kRemoved}});
  }
  clean = WithoutTokens(clean);
  constexpr char kBegin[] = "-----BEGIN ";
  constexpr char kEnd[] = "-----END ";
  for (size_t at = clean.find(kBegin); at != std::string::npos;
       at = clean.find(kBegin, at + 1)) {
    const size_t line_end = clean.find('\n', at);
    if (!absl::StrContains(clean.substr(at, line_end - at), "PRIVATE KEY")) {
      continue;
    }
    size_t end = clean.find(kEnd, at);
    if (end != std::string::npos) end = clean.find('\n', end);
    clean.replace(at, end == std::string::npos ? end : end - at, kRemoved);
  }
  return clean;
}

std::map<std::string, std::string> SupportFiles(const SupportOptions& options) {
  Files files;
  Redactor redactor;
  files["README.txt"] = kReadme;
  files["versions.txt"] = Versions(options);
  const std::vector<ExaminedDevice> here = {
      {options.own_name, options.examine_here()}};
  files["doctor-here.json"] = FindingJson(here) + "\n";
  const auto where = OperatorTargetOf(options.where);
  if (!where.ok()) {
    Miss(files, "cluster file, status, plan, doctor, logs", where.status());
  } else {
    redactor.AddSecret(where->target.token);
    if (!where->config.path.empty()) {
      std::ifstream file(where->config.path);
      files["cluster.textproto"] =
          std::string(std::istreambuf_iterator<char>(file), {});
    }
    AddFleet(where->target, files);
  }
  for (auto& [name, text] : files) text = redactor.Clean(text);
  return files;
}

}  // namespace shoal::cli

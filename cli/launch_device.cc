#include "cli/launch_device.h"

#include <sys/utsname.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/byte_size.h"
#include "base/digest.h"
#include "base/status_macros.h"

namespace shoal::cli {
namespace {

constexpr int kSshFailed = 255;  // ssh's own exit code
constexpr int kConnectSeconds = 10;
constexpr absl::Duration kProgressInterval = absl::Seconds(2);
constexpr size_t kDigestLetters = 16;

std::string LastLine(absl::string_view text) {
  std::string last;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (!line.empty()) last = std::string(line);
  }
  return last;
}

bool ContainsAny(absl::string_view text,
                 std::initializer_list<absl::string_view> parts) {
  for (const absl::string_view part : parts) {
    if (absl::StrContains(text, part)) return true;
  }
  return false;
}

std::string Answer(const std::map<std::string, std::string>& answers,
                   const std::string& name) {
  const auto found = answers.find(name);
  return found == answers.end() ? "" : found->second;
}

std::vector<std::string> FlagsOf(const ClusterConfig& config,
                                 const ClusterDevice& device) {
  std::vector<std::string> flags;
  const auto add = [&flags](const char* name, std::string value) {
    flags.push_back(name);
    flags.push_back(std::move(value));
  };
  if (device.ram_cap_bytes > 0) {
    add("--memory", absl::StrCat(device.ram_cap_bytes));
  }
  if (device.disk_cap_bytes > 0) {
    add("--disk-cap", absl::StrCat(device.disk_cap_bytes));
  }
  if (device.threads > 0) add("--threads", absl::StrCat(device.threads));
  if (!device.store.empty()) add("--store", device.store);
  if (config.insecure) flags.push_back("--insecure");
  return flags;
}

}  // namespace

absl::StatusOr<OwnProgram> ReadOwnProgram() {
  OwnProgram own;
  std::error_code error;
  own.path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  std::ifstream file("/proc/self/exe", std::ios::binary);
  base::DigestBuilder digest;
  std::vector<char> bytes(size_t{1} << 20);
  while (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) ||
         file.gcount() > 0) {
    digest.Add(std::as_bytes(
        std::span(bytes.data(), static_cast<size_t>(file.gcount()))));
  }
  if (error || !file.eof()) {
    return absl::UnavailableError(
        "/proc/self/exe: this program cannot be read");
  }
  own.digest = base::ToString(digest.Finish()).substr(0, kDigestLetters);
  own.version = absl::StrCat("shoal ", SHOAL_VERSION);
  utsname system = {};
  if (uname(&system) == 0) own.machine = system.machine;
  return own;
}

bool IsLaunchedHere(const ClusterConfig& config, const ClusterDevice& device) {
  SubprocessOptions options;
  options.command = {"/bin/sh", "-s"};
  options.input = RunningScript({config.name, device.name});
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(options);
  return result.ok() && AnswersIn(result->out).contains("running");
}

LaunchDevice::LaunchDevice(const ClusterConfig& config,
                           const ClusterDevice& device,
                           std::function<void(absl::string_view)> say)
    : config_(config),
      device_(device),
      id_{config.name, device.name},
      say_(std::move(say)) {}

std::string LaunchDevice::Where() const {
  if (device_.local) return "this machine";
  return absl::StrCat(
      device_.ssh_user, device_.ssh_user.empty() ? "" : "@", device_.address,
      device_.ssh_port > 0 ? absl::StrCat(" port ", device_.ssh_port) : "");
}

std::vector<std::string> LaunchDevice::Command(
    const std::string& remote) const {
  if (device_.local) return {"/bin/sh", "-c", remote};
  std::vector<std::string> words = {
      "ssh",
      "-o",
      "BatchMode=yes",
      "-o",
      "ControlMaster=no",
      "-o",
      absl::StrCat("ConnectTimeout=", kConnectSeconds),
      "-o",
      "ServerAliveInterval=10"};
  if (!config_.ssh_config.empty()) {
    words.insert(words.end(), {"-F", config_.ssh_config});
  }
  if (!device_.ssh_user.empty()) {
    words.insert(words.end(), {"-l", device_.ssh_user});
  }
  if (device_.ssh_port > 0) {
    words.insert(words.end(), {"-p", absl::StrCat(device_.ssh_port)});
  }
  words.insert(words.end(), {"--", device_.address,
                             absl::StrCat("sh -c ", ShellWord(remote))});
  return words;
}

absl::StatusOr<SubprocessResult> LaunchDevice::Shell(
    const std::string& script) const {
  SubprocessOptions options;
  options.command = Command("sh -s");
  options.input = script;
  SHOAL_ASSIGN_OR_RETURN(SubprocessResult result, RunSubprocess(options));
  SHOAL_RETURN_IF_ERROR(Explain(result));
  return result;
}

absl::Status LaunchDevice::Explain(const SubprocessResult& result) const {
  const std::string last = LastLine(result.err);
  if (ContainsAny(result.err, {"No space left", "Disk quota exceeded"})) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "no space left on ", Where(), ": ", last,
        "; make some, or set XDG_CACHE_HOME there to a folder of a disk with "
        "space"));
  }
  if (device_.local || result.exit_code != kSshFailed) return absl::OkStatus();
  if (ContainsAny(result.err, {"Host key verification failed",
                               "HOST IDENTIFICATION HAS CHANGED"})) {
    return absl::PermissionDeniedError(
        absl::StrCat("ssh does not know the host key of ", Where(),
                     ", or it has changed; connect once by hand (ssh ",
                     device_.address, ") and compare it"));
  }
  if (ContainsAny(result.err,
                  {"Permission denied", "Too many authentication failures",
                   "Authentication failed"})) {
    return absl::PermissionDeniedError(absl::StrCat(
        Where(), " does not let this user in (", last,
        "); put your ssh key there (ssh-copy-id), or correct ssh_user"));
  }
  return absl::UnavailableError(
      absl::StrCat(Where(), " cannot be reached by ssh (", last,
                   "); is it on, and are address and ssh_port right?"));
}

absl::Status LaunchDevice::Install(const OwnProgram& own) const {
  std::error_code error;
  const uint64_t total = std::filesystem::file_size("/proc/self/exe", error);
  SubprocessOptions options;
  options.command = Command(InstallScript(own.digest));
  options.input_file = "/proc/self/exe";
  absl::Time said = absl::InfinitePast();
  options.on_progress = [&](uint64_t done) {
    const absl::Time now = absl::Now();
    if (now - said < kProgressInterval) return;
    said = now;
    say_(absl::StrCat("copying the program, ", base::FormatByteSize(done),
                      " of ", base::FormatByteSize(total)));
  };
  SHOAL_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(options));
  SHOAL_RETURN_IF_ERROR(Explain(result));
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the program could not be copied to ", Where(), ": ",
                   LastLine(result.err)));
}

absl::Status LaunchDevice::CheckProgram(
    const std::map<std::string, std::string>& answers,
    const OwnProgram& own) const {
  const std::string missing = Answer(answers, "missing");
  if (!missing.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the program does not run on ", Where(), ": ", missing,
        "; install the libraries there (scripts/install-deps.sh), or build "
        "shoal there and name it with program"));
  }
  const std::string version = Answer(answers, "version");
  if (!device_.program.empty() && version.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no program ", device_.program, " on ", Where(),
                     " that can be run; correct program in the cluster file"));
  }
  if (!version.empty() && version != own.version) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the program of ", Where(), " is '", version, "', this one is '",
        own.version, "'; install the same on both"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LaunchDevice::Start(const LaunchFleet& fleet,
                                                const OwnProgram& own) {
  const std::string program = device_.local ? own.path : device_.program;
  const std::string probe = ProbeScript(id_, program, own.digest);
  SHOAL_ASSIGN_OR_RETURN(SubprocessResult result, Shell(probe));
  std::map<std::string, std::string> answers = AnswersIn(result.out);
  const std::string machine = Answer(answers, "arch");
  if (machine.empty()) {
    return absl::UnavailableError(absl::StrCat(
        "the shell of ", Where(), " does not answer: ", LastLine(result.err)));
  }
  if (Answer(answers, "running").empty()) {
    if (program.empty() && machine != own.machine) {
      return absl::FailedPreconditionError(
          absl::StrCat(Where(), " has another processor (", machine,
                       "; this program is for ", own.machine,
                       "); build shoal there and name it with program"));
    }
    if (program.empty() && Answer(answers, "absent") == "yes") {
      SHOAL_RETURN_IF_ERROR(Install(own));
      SHOAL_ASSIGN_OR_RETURN(result, Shell(probe));
      answers = AnswersIn(result.out);
    }
    SHOAL_RETURN_IF_ERROR(CheckProgram(answers, own));
  }
  StartOptions start;
  start.id = id_;
  start.program =
      program.empty() ? CopiedProgram(own.digest) : ShellWord(program);
  start.token = fleet.token;
  start.join_host =
      device_.local && fleet.join_host.empty() ? "127.0.0.1" : fleet.join_host;
  start.join_port = fleet.join_port;
  start.flags = FlagsOf(config_, device_);
  SHOAL_ASSIGN_OR_RETURN(result, Shell(StartScript(start)));
  answers = AnswersIn(result.out);
  if (answers.contains("failed") || result.exit_code != 0) {
    const std::string words = Answer(answers, "failed");
    return absl::AbortedError(absl::StrCat(
        "the worker on ", Where(),
        " did not stay: ", words.empty() ? LastLine(result.err) : words));
  }
  const std::string already = Answer(answers, "already");
  const std::string how =
      already.empty()
          ? absl::StrCat("started (pid ", Answer(answers, "started"), ")")
          : absl::StrCat("runs already (pid ", already, ")");
  if (answers.contains("joined")) {
    return absl::StrCat(how, ", ", Answer(answers, "joined"));
  }
  const std::string dialling = Answer(answers, "dialling");
  if (absl::StartsWith(dialling, "cannot reach")) {
    return absl::StrCat(how, ", waits for the coordinator at ", config_.listen);
  }
  return absl::StrCat(how, "; ", dialling);
}

absl::StatusOr<std::string> LaunchDevice::Stop() {
  SHOAL_ASSIGN_OR_RETURN(const SubprocessResult result, Shell(StopScript(id_)));
  const std::map<std::string, std::string> answers = AnswersIn(result.out);
  if (answers.contains("stopped")) {
    return absl::StrCat("stopped (pid ", Answer(answers, "stopped"), ")");
  }
  if (answers.contains("killed")) {
    return absl::StrCat("killed, because it did not end by itself (pid ",
                        Answer(answers, "killed"), ")");
  }
  if (answers.contains("none")) return std::string("was not running");
  return absl::UnavailableError(absl::StrCat(
      "the shell of ", Where(), " does not answer: ", LastLine(result.err)));
}

}  // namespace shoal::cli

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "cli/cluster_config.h"
#include "cli/device.h"
#include "cli/flag_values.h"
#include "cli/flags_where.h"
#include "cli/verbs.h"
#include "coordinator/placement.h"
#include "security/fleet_secrets.h"

namespace shoal::cli {
namespace {

constexpr int kPort = 7070;

struct InitFlags {
  std::string name;
  std::string model;
  std::string listen;
};

// An IPv4 address of this machine that others may reach: a private one rather
// than a public one. Loopback if there is none.
std::string OwnAddress() {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return "127.0.0.1";
  std::string address = "127.0.0.1";
  bool is_private = false;
  for (const ifaddrs* i = found; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET ||
        (i->ifa_flags & IFF_LOOPBACK) != 0 || (i->ifa_flags & IFF_UP) == 0) {
      continue;
    }
    std::array<char, INET_ADDRSTRLEN> text = {};
    inet_ntop(AF_INET,
              &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr,
              text.data(), text.size());
    const std::string candidate = text.data();
    const bool candidate_is_private = absl::StartsWith(candidate, "192.168.") ||
                                      absl::StartsWith(candidate, "10.");
    if (address == "127.0.0.1" || (candidate_is_private && !is_private)) {
      address = candidate;
      is_private = candidate_is_private;
    }
  }
  freeifaddrs(found);
  return address;
}

// As a string of protobuf text.
std::string Quoted(const std::string& text) {
  return absl::StrCat(
      "\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

std::string FileText(const InitFlags& flags, const std::string& model) {
  return absl::StrCat(
      "# A fleet and the model that runs on it. Every field: "
      "docs/cluster-file.md.\n"
      "# shoal config check says whether this file is right.\n\n",
      "name: ", Quoted(flags.name), "\n",
      "# This machine, where workers join: HOST:PORT.\n",
      "listen: ", Quoted(flags.listen), "\n",
      "# The fleet's authority, certificate and join token. Keep it to "
      "yourself.\n",
      "secrets: ", Quoted(absl::StrCat(flags.name, ".secrets")), "\n\n",
      "# Without devices, any worker that shows the token takes part. Named "
      "ones are\n"
      "# waited for, may have limits, and shoal launch starts those with an "
      "address:\n#\n",
      "# devices { name: ", Quoted(HostName()), " }  # the first: this one\n",
      "# devices { name: \"pi4\" address: \"192.168.1.41\" ssh_user: \"pi\" "
      "ram_cap: \"3GiB\" }\n\n",
      "model {\n  file: ", Quoted(model),
      "\n  # ctx: 2048  # longest text in "
      "tokens, prompt included\n}\n");
}

// Writes a file that must not be there yet.
absl::Status WriteNewFile(const std::string& path, const std::string& text) {
  const int file =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) {
    if (errno == EEXIST) {
      return absl::AlreadyExistsError(absl::StrCat(
          path,
          " is there already and stays as it is; choose another name, "
          "or remove it"));
    }
    return absl::UnavailableError(
        absl::StrCat(path, ": ", std::strerror(errno)));
  }
  const bool written = write(file, text.data(), text.size()) ==
                       static_cast<ssize_t>(text.size());
  if (close(file) == 0 && written) return absl::OkStatus();
  std::remove(path.c_str());
  return absl::UnavailableError(
      absl::StrCat(path, ": cannot be written; is the disk full?"));
}

absl::Status CheckName(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= 32 && name[0] != '-' &&
                    name[0] != '.' &&
                    name.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-_.") == std::string::npos;
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("NAME is '", name,
                   "'; it must be 1 to 32 letters, digits, -, _ or ., and "
                   "begin with a letter or digit"));
}

absl::Status CheckInitFlags(InitFlags& flags) {
  SHOAL_RETURN_IF_ERROR(CheckName(flags.name));
  if (flags.listen.empty()) return absl::OkStatus();
  // A port of its own is offered.
  if (flags.listen.find(':') == std::string::npos) {
    absl::StrAppend(&flags.listen, ":", kPort);
  }
  SHOAL_ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(flags.listen));
  if (address.port != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--listen ", flags.listen,
                   ": workers must know the port; give one from 1 to 65535"));
}

absl::Status Init(const InitFlags& given) {
  InitFlags flags = given;
  // A file that cannot run is told now, not when the devices wait.
  SHOAL_RETURN_IF_ERROR(coordinator::ModelFile::Read(flags.model).status());
  if (flags.listen.empty()) {
    flags.listen = absl::StrCat(OwnAddress(), ":", kPort);
  }
  const std::string path = absl::StrCat(flags.name, ".textproto");
  const std::string secrets = absl::StrCat(flags.name, ".secrets");
  std::error_code error;
  if (std::filesystem::exists(secrets, error)) {
    return absl::AlreadyExistsError(absl::StrCat(
        secrets,
        " is there already and stays as it is; choose another name, "
        "or remove it"));
  }
  const std::string text = FileText(flags, flags.model);
  SHOAL_RETURN_IF_ERROR(ParseClusterConfig(text, path).status());
  SHOAL_RETURN_IF_ERROR(WriteNewFile(path, text));
  const auto made = security::CreateFleetSecrets(secrets, flags.name);
  if (!made.ok()) {
    std::filesystem::remove(path, error);
    return made.status();
  }
  SHOAL_ASSIGN_OR_RETURN(HostPort address, ParseHostPort(flags.listen));
  std::string join = flags.listen;
  if (IsWildcard(address.host)) {
    join = absl::StrCat(OwnAddress(), ":", address.port);
  }
  std::fprintf(stderr,
               "%s and %s/ are made. On each device that shall help, type:\n\n",
               path.c_str(), secrets.c_str());
  std::printf("shoal worker --join %s#%s\n", join.c_str(),
              made->token.ToText().c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "\nThen, here: shoal chat\n");
  return absl::OkStatus();
}

}  // namespace

void AddInitVerb(Command& root) {
  Command& verb = root.AddVerb("init", "Makes a fleet: its file and its keys");
  auto flags = std::make_shared<InitFlags>();
  verb.AddFlag({.names = "NAME",
                .help = "Of the fleet: NAME.textproto and NAME.secrets/",
                .required = true},
               SetText(&flags->name));
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file",
                .required = true},
               SetText(&flags->model));
  verb.AddFlag({.names = "--listen",
                .value = "HOST[:PORT]",
                .help = "Where workers join (an address of this machine, port "
                        "7070)"},
               SetText(&flags->listen));
  verb.SetDetails(
      "Writes a cluster file, ready to edit, and beside it a folder with the\n"
      "fleet's authority, its certificate and the join token, which only you "
      "can\n"
      "read; prints the line to type on each device (it contains the token). "
      "What\n"
      "is there already is never written over.\n\n"
      "Example:\n  shoal init home -m models/shoal-stories-3m-q8_0.gguf");
  verb.SetCheck([flags] { return CheckInitFlags(*flags); });
  verb.SetRunner([flags] { return Init(*flags); });
}

}  // namespace shoal::cli

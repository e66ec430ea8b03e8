#include "cli/flags_where.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/offers.h"
#include "security/join_token.h"
#include "security/secret_file.h"

namespace shoal::cli {
namespace {

constexpr char kGroup[] = "Where";
constexpr uint32_t kExpectMax = 255;

}  // namespace

void AddWhereFlags(Command& verb, WhereFlags& flags) {
  verb.AddFlag({.names = "--local",
                .value = "N",
                .help = "N devices on this machine, a process each (1)",
                .group = kGroup},
               SetUint(&flags.local, 1, kLocalDevicesMax));
  verb.AddFlag({.names = "--cluster",
                .value = "FILE",
                .help = "Devices and settings from a cluster file (textproto)",
                .group = kGroup},
               SetText(&flags.cluster));
  verb.AddFlag({.names = "--listen",
                .value = "HOST:PORT",
                .help = "Wait here for workers (shoal worker --join)",
                .group = kGroup},
               SetText(&flags.listen));
  verb.AddFlag({.names = "--expect",
                .value = "N",
                .help = "The number of workers to wait for",
                .group = kGroup},
               SetUint(&flags.expect, 1, kExpectMax));
  verb.AddFlag({.names = "--join-timeout",
                .value = "TIME",
                .help = "How long to wait for them (2m)",
                .group = kGroup},
               SetDuration(&flags.join_timeout));
  verb.AddFlag({.names = "--secrets",
                .value = "FOLDER",
                .help = "The fleet's keys and join token, made there where "
                        "missing (~/.config/shoal/fleet)",
                .group = kGroup},
               SetText(&flags.secrets));
  verb.AddSwitch({.names = "--trusted-lan",
                  .help = "Faster data links, not encrypted: anyone on the "
                          "network can read and alter activations, and so "
                          "learn your text; joining stays protected",
                  .group = kGroup},
                 &flags.trusted_lan);
  verb.AddSwitch({.names = "--insecure",
                  .help = "No keys and no encryption at all towards other "
                          "machines: anyone on the network can read and alter "
                          "everything, the token, too",
                  .group = kGroup},
                 &flags.insecure);
  verb.AddFlag({.names = "--token-file",
                .value = "FILE",
                .help = "What workers must show with --insecure or on this "
                        "machine (a new one is printed)",
                .group = kGroup},
               SetText(&flags.token_file));
  verb.AddSwitch({.names = "--no-offer",
                  .help = "Do not answer shoal discover, which tells the "
                          "network the fleet's name, port and version",
                  .group = kGroup},
                 &flags.no_offer);
  AddOfferPortFlag(verb, &flags.offer_port);
}

void AddCoordinatorFlag(Command& verb, WhereFlags& flags) {
  verb.AddFlag({.names = "--coordinator",
                .value = "HOST:PORT",
                .help = "Ask a coordinator that runs already (shoal serve)",
                .group = kGroup},
               SetText(&flags.coordinator));
}

absl::Status CheckWhereFlags(const WhereFlags& flags) {
  if (!flags.coordinator.empty()) {
    if (flags.local > 0 || !flags.listen.empty()) {
      return absl::InvalidArgumentError(
          "--coordinator asks one that runs already; leave out --local and "
          "--listen");
    }
    return ParseHostPort(flags.coordinator).status();
  }
  const int given =
      (flags.local > 0) + !flags.cluster.empty() + !flags.listen.empty();
  if (given > 1) {
    return absl::InvalidArgumentError(
        "give only one of --local, --cluster and --listen");
  }
  if (flags.listen.empty() != (flags.expect == 0)) {
    return absl::InvalidArgumentError(
        "--listen HOST:PORT and --expect N go together");
  }
  if (!flags.listen.empty()) return ParseHostPort(flags.listen).status();
  return absl::OkStatus();
}

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  HostPort result;
  const auto colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text, "' is not HOST:PORT, such as 192.168.1.10:7070"));
  }
  absl::string_view host = text.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", text, "' has a [ without ]"));
    }
  }
  result.host = std::string(host);
  result.port = static_cast<uint16_t>(port);
  return result;
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

bool IsWildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::" || host == "*";
}

absl::StatusOr<std::string> ReadSecretFile(absl::string_view flag,
                                           const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat(flag, " ", path, ": ", std::strerror(errno)));
  }
  std::string token;
  std::getline(file, token);
  while (!token.empty() && token.back() == '\r') token.pop_back();
  if (token.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " ", path, ": its first line is empty"));
  }
  return token;
}

absl::StatusOr<std::string> ReadTokenFile(const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(std::string token,
                         ReadSecretFile("--token-file", path));
  // One that opens a fleet is for its owner's eyes.
  if (security::JoinToken::LooksLikeOne(token)) {
    SHOAL_RETURN_IF_ERROR(
        security::ReadSecretFile(path, security::FileReaders::kOwner).status());
  }
  return token;
}

std::string MakeToken() {
  std::string bytes(16, '\0');
  SHOAL_CHECK(getrandom(bytes.data(), bytes.size(), 0) ==
              static_cast<ssize_t>(bytes.size()));
  return absl::BytesToHexString(bytes);
}

}  // namespace shoal::cli

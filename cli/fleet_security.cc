#include "cli/fleet_security.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/device.h"
#include "cli/flags_where.h"
#include "security/join_token.h"

namespace shoal::cli {
namespace {

using security::JoinToken;

absl::StatusOr<std::string> SharedFolder() {
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config != '\0') {
    return absl::StrCat(config, "/shoal/fleet");
  }
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') {
    return absl::StrCat(home, "/.config/shoal/fleet");
  }
  return absl::InvalidArgumentError(
      "neither XDG_CONFIG_HOME nor HOME is set, so there is no place for the "
      "fleet's keys; give --secrets FOLDER");
}

bool IsThere(const std::string& path) {
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0;
}

}  // namespace

absl::StatusOr<FleetSecurity> FleetSecurityOf(const SessionOptions& options) {
  FleetSecurity security;
  if (options.insecure && !options.secrets.empty()) {
    return absl::InvalidArgumentError(
        "--insecure and secrets (--secrets) exclude each other");
  }
  if (options.insecure) return security;
  SHOAL_ASSIGN_OR_RETURN(const HostPort listen,
                         ParseHostPort(options.listen_address));
  security.folder = options.secrets;
  if (security.folder.empty()) {
    if (IsLoopback(listen.host)) return security;
    if (!options.token.empty()) {
      return absl::InvalidArgumentError(
          "a token of one's own (--token-file) is for --insecure and for "
          "127.0.0.1 alone; beyond this machine the fleet's token lies with "
          "its keys (--secrets)");
    }
    SHOAL_ASSIGN_OR_RETURN(security.folder, SharedFolder());
  }
  const bool makes = (options.secrets.empty() || options.makes_secrets) &&
                     !IsThere(security.folder);
  SHOAL_ASSIGN_OR_RETURN(
      security::FleetSecrets secrets,
      makes ? security::CreateFleetSecrets(security.folder, HostName())
            : security::LoadFleetSecrets(security.folder));
  security.secrets =
      std::make_shared<const security::FleetSecrets>(std::move(secrets));
  return security;
}

std::vector<std::string> TakeArguments(int argc, char** argv) {
  std::vector<std::string> words(argv, argv + argc);
  for (int i = 0; i < argc; ++i) {
    char* const hash = std::strchr(argv[i], '#');
    // Also a token that is mistyped, or stands alone.
    char* const secret = JoinToken::LooksLikeOne(argv[i]) ? argv[i]
                         : hash != nullptr && JoinToken::LooksLikeOne(hash + 1)
                             ? hash + 1
                             : nullptr;
    if (secret != nullptr) std::memset(secret, '*', std::strlen(secret));
  }
  return words;
}

std::string WithoutTokens(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  const absl::string_view prefix = JoinToken::kPrefix;
  std::string result;
  size_t done = 0;
  for (size_t at = lower.find(JoinToken::kPrefix); at != std::string::npos;
       at = lower.find(JoinToken::kPrefix, done)) {
    size_t end = at + prefix.size();
    while (end < text.size() &&
           absl::ascii_isalnum(static_cast<unsigned char>(text[end]))) {
      ++end;
    }
    const bool is_secret = end > at + prefix.size();
    absl::StrAppend(&result, text.substr(done, at - done), prefix,
                    is_secret ? "..." : "");
    done = end;
  }
  return absl::StrCat(result, text.substr(done));
}

}  // namespace shoal::cli

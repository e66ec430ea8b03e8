#include "cli/cluster_secrets.h"

#include "base/status_macros.h"
#include "cli/flags_where.h"
#include "security/fleet_secrets.h"
#include "security/join_token.h"

namespace shoal::cli {

absl::StatusOr<std::string> JoinTokenOf(const ClusterConfig& config) {
  if (!config.secrets.empty()) {
    SHOAL_ASSIGN_OR_RETURN(
        const auto token,
        security::JoinToken::ReadFile(security::FilesIn(config.secrets).token));
    return token.ToText();
  }
  if (!config.token_file.empty()) return ReadTokenFile(config.token_file);
  return std::string();
}

}  // namespace shoal::cli

// The secrets that a cluster file names.

#ifndef SHOAL_CLI_CLUSTER_SECRETS_H_
#define SHOAL_CLI_CLUSTER_SECRETS_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/cluster_config.h"

namespace shoal::cli {

// The join token that devices show: of `secrets`, else of `token_file`; empty
// if the file names neither.
// Errors: of security::JoinToken::ReadFile(), ReadTokenFile()
absl::StatusOr<std::string> JoinTokenOf(const ClusterConfig& config);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CLUSTER_SECRETS_H_

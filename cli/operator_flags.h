// The flags of verbs that ask a running coordinator about its fleet.

#ifndef SHOAL_CLI_OPERATOR_FLAGS_H_
#define SHOAL_CLI_OPERATOR_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/cluster_config.h"
#include "cli/command.h"
#include "cli/coordinator_client.h"

namespace shoal::cli {

struct OperatorFlags {
  std::string cluster;      // a file
  std::string coordinator;  // HOST:PORT
  std::string token_file;
};

// FILE, which is what --cluster says: of verbs whose only argument it is.
void AddClusterFileArgument(Command& verb, OperatorFlags& flags);

// --cluster, --coordinator, --token-file.
void AddOperatorFlags(Command& verb, OperatorFlags& flags);

struct OperatorTarget {
  ClusterConfig config;  // of the file; without a path if there is none
  ClientTarget target;
};

// That of --coordinator, else of the cluster file that is meant.
// Errors: of ClusterFileOf(), ReadClusterConfig(), ClientTargetOf(),
//         ReadTokenFile() and TrustByToken()
absl::StatusOr<OperatorTarget> OperatorTargetOf(const OperatorFlags& flags);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_OPERATOR_FLAGS_H_

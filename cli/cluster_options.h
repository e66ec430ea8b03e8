// A session as a cluster file describes it.

#ifndef SHOAL_CLI_CLUSTER_OPTIONS_H_
#define SHOAL_CLI_CLUSTER_OPTIONS_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/session.h"

namespace shoal::cli {

// `where.cluster` names the file; flags that were given win over it.
// Errors: those of ReadClusterConfig(); kInvalidArgument  no model is named
absl::StatusOr<SessionOptions> SessionOptionsOfCluster(const std::string& model,
                                                       const WhereFlags& where,
                                                       const HowFlags& how);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CLUSTER_OPTIONS_H_

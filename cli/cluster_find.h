// Which cluster file is meant where none is named.

#ifndef SHOAL_CLI_CLUSTER_FIND_H_
#define SHOAL_CLI_CLUSTER_FIND_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/flags_where.h"

namespace shoal::cli {

inline constexpr char kClusterVariable[] = "SHOAL_CLUSTER";

struct FoundCluster {
  std::string path;    // empty: there is none
  std::string origin;  // how it was found, for people
};

// $SHOAL_CLUSTER, or the only *.textproto in `folder`.
// Errors: kInvalidArgument  there are several; names them
absl::StatusOr<FoundCluster> FindCluster(const std::string& folder = ".");

// Sets `flags.cluster` by FindCluster() where no flag says which devices run
// the model, and says so on standard error.
// Errors: of FindCluster()
absl::Status ChooseCluster(WhereFlags& flags);

// For verbs that need a file: `given`, or the one that is found.
// Errors: of FindCluster(); kInvalidArgument  there is none
absl::StatusOr<std::string> ClusterFileOf(const std::string& given);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CLUSTER_FIND_H_

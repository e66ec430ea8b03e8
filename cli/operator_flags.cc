#include "cli/operator_flags.h"

#include "base/status_macros.h"
#include "cli/cluster_find.h"
#include "cli/flag_values.h"
#include "cli/flags_where.h"

namespace shoal::cli {

void AddClusterFileArgument(Command& verb, OperatorFlags& flags) {
  verb.AddFlag({.names = "FILE",
                .help = "A cluster file ($SHOAL_CLUSTER, or the only "
                        "*.textproto here)"},
               SetText(&flags.cluster));
}

void AddOperatorFlags(Command& verb, OperatorFlags& flags) {
  verb.AddFlag({.names = "--cluster",
                .value = "FILE",
                .help = "The fleet's file ($SHOAL_CLUSTER, or the only "
                        "*.textproto here)"},
               SetText(&flags.cluster));
  verb.AddFlag({.names = "--coordinator",
                .value = "HOST:PORT",
                .help = "The coordinator to ask (that of the file)"},
               [&flags](const std::string& text) {
                 flags.coordinator = text;
                 return ParseHostPort(text).status();
               });
  verb.AddFlag({.names = "--token-file",
                .value = "FILE",
                .help = "The token to show to it (that of the file)"},
               SetText(&flags.token_file));
}

absl::StatusOr<OperatorTarget> OperatorTargetOf(const OperatorFlags& flags) {
  OperatorTarget found;
  if (!flags.cluster.empty() || flags.coordinator.empty()) {
    SHOAL_ASSIGN_OR_RETURN(const std::string file,
                           ClusterFileOf(flags.cluster));
    SHOAL_ASSIGN_OR_RETURN(found.config, ReadClusterConfig(file));
    SHOAL_ASSIGN_OR_RETURN(found.target, ClientTargetOf(found.config));
  }
  if (!flags.coordinator.empty()) found.target.address = flags.coordinator;
  if (!flags.token_file.empty()) {
    SHOAL_ASSIGN_OR_RETURN(found.target.token, ReadTokenFile(flags.token_file));
    SHOAL_RETURN_IF_ERROR(TrustByToken(found.target));
  }
  return found;
}

}  // namespace shoal::cli

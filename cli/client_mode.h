// Whether run and chat ask a coordinator that runs already, or are one.

#ifndef SHOAL_CLI_CLIENT_MODE_H_
#define SHOAL_CLI_CLIENT_MODE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "cli/coordinator_client.h"
#include "cli/flags_where.h"
#include "cli/interrupt.h"

namespace shoal::cli {

// The coordinator of --coordinator; or, if a cluster file is used and no model
// was named, the one that answers at its address. Null: be one's own.
// Errors: kInvalidArgument  `has_model` with --coordinator
//         kPermissionDenied it does not know our token
//         of the cluster file and its secrets
absl::StatusOr<std::unique_ptr<CoordinatorClient>> ChooseCoordinator(
    const WhereFlags& where, bool has_model);

// Waits until it has a model, and says so.
// Errors: of CoordinatorClient::Model(); kDeadlineExceeded  `timeout`;
//         kCancelled  interrupted
absl::StatusOr<ServedModel> WaitForModel(CoordinatorClient& client,
                                         absl::Duration timeout,
                                         const InterruptWatcher& interrupt);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_CLIENT_MODE_H_

// The gRPC channel from a client to a coordinator, and what its calls show.

#ifndef SHOAL_CLI_COORDINATOR_DIAL_H_
#define SHOAL_CLI_COORDINATOR_DIAL_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/coordinator_client.h"

namespace grpc {
class Channel;
class ClientContext;
class Status;
}  // namespace grpc

namespace shoal::cli {

std::shared_ptr<grpc::Channel> DialCoordinator(const ClientTarget& target);

// For every call: what proves that we may ask, and how long it may take.
void ShowToken(const ClientTarget& target, grpc::ClientContext& context);
void LimitTime(grpc::ClientContext& context, absl::Duration timeout);

// Errors: that of the call; kUnavailable  nobody answers there in time
absl::Status AnswerOf(const ClientTarget& target, const grpc::Status& status);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_COORDINATOR_DIAL_H_

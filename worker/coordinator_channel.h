// The gRPC channel from a worker to its coordinator.

#ifndef SHOAL_WORKER_COORDINATOR_CHANNEL_H_
#define SHOAL_WORKER_COORDINATOR_CHANNEL_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "security/rpc_credentials.h"

namespace shoal::worker {

// Null `trust`: without TLS. `address` is HOST:PORT.
std::shared_ptr<grpc::Channel> DialCoordinator(
    const std::string& address, const security::CoordinatorTrust* trust);

}  // namespace shoal::worker

#endif  // SHOAL_WORKER_COORDINATOR_CHANNEL_H_

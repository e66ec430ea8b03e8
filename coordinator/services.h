// The gRPC services of the coordinator, behind one plain header.

#ifndef SHOAL_COORDINATOR_SERVICES_H_
#define SHOAL_COORDINATOR_SERVICES_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "coordinator/fleet_examiner.h"
#include "coordinator/membership.h"
#include "coordinator/rpc_server.h"
#include "security/fleet_secrets.h"

namespace grpc {
class ServerContext;
class Service;
class Status;
}  // namespace grpc

namespace shoal::coordinator {

// Deletes a grpc::Service where its type is complete.
struct ServiceDeleter {
  void operator()(grpc::Service* service) const;
};
using ServicePtr = std::unique_ptr<grpc::Service, ServiceDeleter>;

// The arguments are borrowed and must outlive the service. With `secrets`
// workers must show a certificate, which Enroll() gives for the token of those.
// `token` is what TryJoin() without TLS must show; empty: nothing.
ServicePtr MakeFleetService(Membership& membership, RpcHandler& handler,
                            FleetExaminer& examiner,
                            const security::FleetSecrets* secrets,
                            const std::string& token);
// Clients must show `token` as the metadata "authorization: Bearer TOKEN", or a
// certificate of the fleet; empty: nothing is asked.
ServicePtr MakeInferenceService(RpcHandler& handler, const std::string& token);
ServicePtr MakeOperatorService(RpcHandler& handler, const std::string& token);
ServicePtr MakeDiagnosticsService(FleetExaminer& examiner,
                                  const std::string& token);

// Whether a client showed what it must, and what to say if not.
bool IsAllowed(const grpc::ServerContext& context, const std::string& token);
grpc::Status WrongToken();

// The codes are the same numbers.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace shoal::coordinator

#endif  // SHOAL_COORDINATOR_SERVICES_H_

// How gRPC's two ends prove to each other who they are: the only place where
// credentials of servers and channels are made.

#ifndef SHOAL_SECURITY_RPC_CREDENTIALS_H_
#define SHOAL_SECURITY_RPC_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "security/fleet_secrets.h"

namespace grpc {
class ChannelArguments;
class ChannelCredentials;
class ServerContext;
class ServerCredentials;
}  // namespace grpc

namespace shoal::security {

// What a client of a coordinator goes by.
struct CoordinatorTrust {
  std::string authority_certificate_pem;
  KeyAndCertificate own;  // empty: shows none, and proves itself otherwise
};

// TLS with the fleet's server certificate; clients may show one of the fleet's
// authority, and who shows another is not let in. Null: no TLS, for loopback
// and --insecure.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const FleetSecrets* secrets);

// TLS that goes no further than to a coordinator of that authority, whatever
// its address; `arguments` are those of the channel. Null: no TLS.
std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(
    const CoordinatorTrust* trust, grpc::ChannelArguments& arguments);

// For whom the certificate is that the caller showed; empty: it showed none.
std::string CallerOf(const grpc::ServerContext& context);

}  // namespace shoal::security

#endif  // SHOAL_SECURITY_RPC_CREDENTIALS_H_

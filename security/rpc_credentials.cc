#include "security/rpc_credentials.h"

#include "absl/strings/str_cat.h"
#include "grpc/grpc_security_constants.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/channel_arguments.h"

namespace shoal::security {

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(
    const FleetSecrets* secrets) {
  if (secrets == nullptr) return grpc::InsecureServerCredentials();
  // Not required of all: who enrolls has none yet. The services ask for it.
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = secrets->authority.certificate_pem;
  // The authority's goes along, for workers that know its fingerprint alone.
  options.pem_key_cert_pairs.push_back(
      {secrets->server.key_pem,
       absl::StrCat(secrets->server.certificate_pem,
                    secrets->authority.certificate_pem)});
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(
    const CoordinatorTrust* trust, grpc::ChannelArguments& arguments) {
  if (trust == nullptr) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = trust->authority_certificate_pem;
  options.pem_private_key = trust->own.key_pem;
  options.pem_cert_chain = trust->own.certificate_pem;
  arguments.SetSslTargetNameOverride(kCoordinatorHostName);
  return grpc::SslCredentials(options);
}

std::string CallerOf(const grpc::ServerContext& context) {
  const auto authenticated = context.auth_context();
  if (authenticated == nullptr || !authenticated->IsPeerAuthenticated()) {
    return {};
  }
  const auto names =
      authenticated->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  return names.size() == 1 ? std::string(names[0].data(), names[0].size())
                           : std::string();
}

}  // namespace shoal::security

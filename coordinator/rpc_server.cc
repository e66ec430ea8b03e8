#include "coordinator/rpc_server.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "coordinator/services.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "proto/fleet_protocol.h"
#include "security/rpc_credentials.h"

namespace shoal::coordinator {
namespace {

// Buffers that gRPC may hold for all connections together.
constexpr size_t kBufferQuotaBytes = size_t{16} << 20;
constexpr auto kShutdownGrace = std::chrono::milliseconds(500);

}  // namespace

struct RpcServer::Impl {
  std::string address;
  std::shared_ptr<const security::FleetSecrets> secrets;
  std::unique_ptr<FleetExaminer> examiner;
  ServicePtr fleet;
  ServicePtr inference;
  ServicePtr operations;
  ServicePtr diagnostics;
  std::unique_ptr<grpc::Server> server;  // first to go
};

absl::StatusOr<HostPort> HostPort::Parse(absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  const bool whole = colon != absl::string_view::npos && colon > 0;
  if (!whole || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", address,
                     "\" is not an address; write HOST:PORT, for instance "
                     "127.0.0.1:7070"));
  }
  HostPort parsed;
  parsed.host = std::string(address.substr(0, colon));
  parsed.port = std::string(address.substr(colon + 1));
  if (absl::StartsWith(parsed.host, "[") && absl::EndsWith(parsed.host, "]")) {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  }
  return parsed;
}

bool HostPort::IsLoopback() const {
  if (host == "localhost" || host == "::1") return true;
  // Four numbers, so that the name 127.example.org does not pass.
  return absl::StartsWith(host, "127.") &&
         host.find_first_not_of("0123456789.") == std::string::npos;
}

RpcServer::RpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const Options& options, Membership& membership, RpcHandler& handler) {
  SHOAL_ASSIGN_OR_RETURN(const HostPort parsed,
                         HostPort::Parse(options.listen_address));
  const security::FleetSecrets* const secrets = options.secrets.get();
  if (!parsed.IsLoopback() && !options.insecure && secrets == nullptr) {
    return absl::PermissionDeniedError(absl::StrCat(
        options.listen_address,
        " can be reached by other machines, and this fleet has no "
        "certificates; make some with shoal init, add --insecure if you trust "
        "all of this network, or listen on 127.0.0.1"));
  }
  auto impl = std::make_unique<Impl>();
  impl->secrets = options.secrets;
  OwnDevice own = options.own;
  own.host = absl::StrContains(parsed.host, ':')
                 ? absl::StrCat("[", parsed.host, "]")
                 : parsed.host;
  impl->examiner = std::make_unique<FleetExaminer>(membership, std::move(own));
  impl->fleet = MakeFleetService(membership, handler, *impl->examiner, secrets,
                                 options.worker_token);
  // On its own machine any program may ask, as over HTTP without a key.
  std::string token = parsed.IsLoopback() ? std::string() : options.token;
  if (secrets != nullptr) token = secrets->token.ToText();
  impl->inference = MakeInferenceService(handler, token);
  impl->operations = MakeOperatorService(handler, token);
  impl->diagnostics = MakeDiagnosticsService(*impl->examiner, token);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen_address,
                           security::MakeServerCredentials(secrets), &port);
  builder.RegisterService(impl->fleet.get());
  builder.RegisterService(impl->inference.get());
  builder.RegisterService(impl->operations.get());
  builder.RegisterService(impl->diagnostics.get());
  builder.SetMaxReceiveMessageSize(proto::kMessageBytesMax);
  // A second process on the same port is a mistake, not load balancing.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("coordinator");
  quota.Resize(kBufferQuotaBytes);
  builder.SetResourceQuota(quota);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", options.listen_address,
        ": the port is in use, or the address is not this machine's; choose "
        "another (--listen), or port 0 for any"));
  }
  membership.SetListenPort(absl::StrCat(port));
  const std::string host = absl::StrContains(parsed.host, ':')
                               ? absl::StrCat("[", parsed.host, "]")
                               : parsed.host;
  impl->address = absl::StrCat(host, ":", port);
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(impl)));
}

RpcServer::~RpcServer() {
  impl_->server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
  impl_->server->Wait();
}

const std::string& RpcServer::address() const { return impl_->address; }

}  // namespace shoal::coordinator

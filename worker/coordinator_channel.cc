#include "worker/coordinator_channel.h"

#include "grpcpp/create_channel.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "proto/fleet_protocol.h"

namespace shoal::worker {
namespace {

// Buffers that gRPC may hold: a few chunks of units.
constexpr size_t kBufferQuotaBytes = size_t{4} << 20;
constexpr int kStreamWindowBytes = 512 << 10;

}  // namespace

std::shared_ptr<grpc::Channel> DialCoordinator(
    const std::string& address, const security::CoordinatorTrust* trust) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(proto::kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  // A proxy for the web is no way to a device next to us.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  grpc::ResourceQuota quota("worker");
  quota.Resize(kBufferQuotaBytes);
  arguments.SetResourceQuota(quota);
  const auto credentials = security::MakeChannelCredentials(trust, arguments);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace shoal::worker

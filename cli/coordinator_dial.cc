#include "cli/coordinator_dial.h"

#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "proto/fleet_protocol.h"
#include "security/rpc_credentials.h"

namespace shoal::cli {

std::shared_ptr<grpc::Channel> DialCoordinator(const ClientTarget& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(proto::kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const security::CoordinatorTrust trust = {target.authority_certificate_pem,
                                            {}};
  const auto credentials = security::MakeChannelCredentials(
      trust.authority_certificate_pem.empty() ? nullptr : &trust, arguments);
  return grpc::CreateCustomChannel(target.address, credentials, arguments);
}

void ShowToken(const ClientTarget& target, grpc::ClientContext& context) {
  if (target.token.empty()) return;
  context.AddMetadata("authorization", absl::StrCat("Bearer ", target.token));
}

void LimitTime(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(timeout));
}

absl::Status AnswerOf(const ClientTarget& target, const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code == absl::StatusCode::kDeadlineExceeded ||
      (code == absl::StatusCode::kUnavailable &&
       absl::StrContains(status.error_message(), "connect"))) {
    return absl::UnavailableError(absl::StrCat("no coordinator answers at ",
                                               target.address, ": ",
                                               status.error_message()));
  }
  return absl::Status(code, status.error_message());
}

}  // namespace shoal::cli

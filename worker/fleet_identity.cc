#include "worker/fleet_identity.h"

#include <chrono>
#include <filesystem>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "grpcpp/client_context.h"
#include "proto/fleet.grpc.pb.h"
#include "security/certificate.h"
#include "security/secret_file.h"
#include "security/tls_probe.h"
#include "worker/coordinator_channel.h"

namespace shoal::worker {
namespace {

using security::FileReaders;
using security::KeyAndCertificate;

constexpr char kFolderPrefix[] = "fleet-";

// Named after the authority, so that a device may belong to several fleets.
std::string FolderOf(const FleetIdentityOptions& options,
                     const security::Fingerprint& authority) {
  return absl::StrCat(
      options.directory, "/", kFolderPrefix,
      absl::BytesToHexString(absl::string_view(
          reinterpret_cast<const char*>(authority.data()), authority.size())));
}

std::string KeyFile(const std::string& folder) {
  return absl::StrCat(folder, "/key");
}
std::string CertificateFile(const std::string& folder) {
  return absl::StrCat(folder, "/certificate.pem");
}

// What was kept, if it is still good for this device.
absl::StatusOr<KeyAndCertificate> ReadKept(const FleetIdentityOptions& options,
                                           const std::string& folder,
                                           const std::string& authority_pem) {
  KeyAndCertificate own;
  SHOAL_ASSIGN_OR_RETURN(
      own.key_pem,
      security::ReadSecretFile(KeyFile(folder), FileReaders::kOwner));
  SHOAL_ASSIGN_OR_RETURN(own.certificate_pem,
                         security::ReadSecretFile(CertificateFile(folder),
                                                  FileReaders::kEveryone));
  const absl::Status issued = security::CheckIssued(own, authority_pem);
  if (!issued.ok()) {
    return absl::Status(issued.code(),
                        absl::StrCat(folder, ": ", issued.message()));
  }
  SHOAL_ASSIGN_OR_RETURN(const std::string name,
                         security::NameIn(own.certificate_pem));
  if (name == options.device_name) return own;
  return absl::PermissionDeniedError(absl::StrCat(
      folder, ": the certificate there is for a device ", name,
      ", and this one is called ", options.device_name,
      "; join with that --name, or once more with the join token"));
}

absl::StatusOr<KeyAndCertificate> Enroll(
    const FleetIdentityOptions& options,
    const security::CoordinatorTrust& trust, absl::Time deadline) {
  SHOAL_ASSIGN_OR_RETURN(const security::KeyAndRequest made,
                         security::MakeCertificateRequest());
  const auto& secret = options.token->secret();
  proto::EnrollRequest request;
  request.set_protocol_version(options.protocol_version);
  request.set_program_version(options.program_version);
  request.mutable_token_secret()->assign(secret.begin(), secret.end());
  request.set_device_name(options.device_name);
  request.set_request_pem(made.request_pem);
  proto::EnrollReply reply;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(deadline));
  const auto stub = proto::Fleet::NewStub(
      DialCoordinator(options.coordinator_address, &trust));
  const grpc::Status status = stub->Enroll(&context, request, &reply);
  if (!status.ok()) {
    return absl::Status(
        static_cast<absl::StatusCode>(status.error_code()),
        absl::StrCat("the coordinator at ", options.coordinator_address,
                     " gave ", options.device_name,
                     " no certificate: ", status.error_message()));
  }
  KeyAndCertificate own = {made.key_pem, reply.certificate_pem()};
  SHOAL_RETURN_IF_ERROR(
      security::CheckIssued(own, trust.authority_certificate_pem));
  return own;
}

absl::Status Keep(const KeyAndCertificate& own, const std::string& folder) {
  SHOAL_RETURN_IF_ERROR(security::MakeSecretFolder(folder));
  // A key without its certificate is replaced the next time.
  SHOAL_RETURN_IF_ERROR(security::WriteSecretFile(KeyFile(folder), own.key_pem,
                                                  FileReaders::kOwner));
  return security::WriteSecretFile(CertificateFile(folder), own.certificate_pem,
                                   FileReaders::kEveryone);
}

}  // namespace

absl::StatusOr<security::CoordinatorTrust> EstablishTrust(
    const FleetIdentityOptions& options, absl::Time deadline,
    const std::function<bool()>& is_stopped) {
  SHOAL_ASSIGN_OR_RETURN(const security::CoordinatorIdentity found,
                         security::ProbeCoordinator(options.coordinator_address,
                                                    deadline, is_stopped));
  if (options.token && !options.token->IsFor(found.authority)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the coordinator at ", options.coordinator_address,
        " is not the one that the token is for: its certificate is of another "
        "authority; check the address, and take the token that this fleet's "
        "coordinator shows"));
  }
  const std::string folder = FolderOf(options, found.authority);
  security::CoordinatorTrust trust;
  trust.authority_certificate_pem = found.authority_certificate_pem;
  auto kept = ReadKept(options, folder, found.authority_certificate_pem);
  if (kept.ok()) {
    trust.own = *std::move(kept);
    return trust;
  }
  if (!options.token && !absl::IsNotFound(kept.status())) return kept.status();
  if (!options.token) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the fleet of the coordinator at ", options.coordinator_address,
        " has given this device no certificate yet; join it once with its "
        "token: --join ",
        options.coordinator_address, "#TOKEN, or --token-file FILE"));
  }
  SHOAL_ASSIGN_OR_RETURN(trust.own, Enroll(options, trust, deadline));
  SHOAL_RETURN_IF_ERROR(Keep(trust.own, folder));
  return trust;
}

bool HasIdentity(const std::string& directory) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    if (absl::StartsWith(entry.path().filename().string(), kFolderPrefix)) {
      return true;
    }
  }
  return false;
}

}  // namespace shoal::worker

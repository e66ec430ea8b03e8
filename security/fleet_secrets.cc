#include "security/fleet_secrets.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "security/secret_file.h"

namespace shoal::security {
namespace {

absl::Status In(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

absl::StatusOr<KeyAndCertificate> ReadPair(const std::string& key,
                                           const std::string& certificate) {
  KeyAndCertificate pair;
  SHOAL_ASSIGN_OR_RETURN(pair.key_pem,
                         ReadSecretFile(key, FileReaders::kOwner));
  SHOAL_ASSIGN_OR_RETURN(pair.certificate_pem,
                         ReadSecretFile(certificate, FileReaders::kEveryone));
  return pair;
}

absl::Status WritePair(const KeyAndCertificate& pair, const std::string& key,
                       const std::string& certificate) {
  SHOAL_RETURN_IF_ERROR(
      WriteSecretFile(key, pair.key_pem, FileReaders::kOwner));
  return WriteSecretFile(certificate, pair.certificate_pem,
                         FileReaders::kEveryone);
}

}  // namespace

absl::StatusOr<FleetSecrets> MakeFleetSecrets(absl::string_view fleet_name) {
  FleetSecrets secrets;
  SHOAL_ASSIGN_OR_RETURN(secrets.authority, MakeAuthority(fleet_name));
  SHOAL_ASSIGN_OR_RETURN(secrets.server,
                         IssueServerCertificate(secrets.authority));
  SHOAL_ASSIGN_OR_RETURN(const Fingerprint fingerprint,
                         FingerprintOf(secrets.authority.certificate_pem));
  secrets.token = JoinToken::Make(fingerprint);
  return secrets;
}

FleetSecretFiles FilesIn(const std::string& folder) {
  FleetSecretFiles files;
  files.authority_key = absl::StrCat(folder, "/authority.key");
  files.authority_certificate = absl::StrCat(folder, "/authority.pem");
  files.server_key = absl::StrCat(folder, "/server.key");
  files.server_certificate = absl::StrCat(folder, "/server.pem");
  files.token = absl::StrCat(folder, "/token");
  return files;
}

absl::StatusOr<FleetSecrets> CreateFleetSecrets(const std::string& folder,
                                                absl::string_view fleet_name) {
  const FleetSecretFiles files = FilesIn(folder);
  for (const std::string& path :
       {files.authority_key, files.authority_certificate, files.server_key,
        files.server_certificate, files.token}) {
    struct stat facts = {};
    if (stat(path.c_str(), &facts) != 0) continue;
    return absl::AlreadyExistsError(absl::StrCat(
        path,
        " is there already; devices that joined with it would be shut "
        "out by another: remove the folder by hand if you want that"));
  }
  SHOAL_ASSIGN_OR_RETURN(const FleetSecrets secrets,
                         MakeFleetSecrets(fleet_name));
  SHOAL_RETURN_IF_ERROR(MakeSecretFolder(folder));
  SHOAL_RETURN_IF_ERROR(WritePair(secrets.authority, files.authority_key,
                                  files.authority_certificate));
  SHOAL_RETURN_IF_ERROR(
      WritePair(secrets.server, files.server_key, files.server_certificate));
  SHOAL_RETURN_IF_ERROR(
      WriteSecretFile(files.token, absl::StrCat(secrets.token.ToText(), "\n"),
                      FileReaders::kOwner));
  return secrets;
}

absl::StatusOr<FleetSecrets> LoadFleetSecrets(const std::string& folder) {
  const FleetSecretFiles files = FilesIn(folder);
  FleetSecrets secrets;
  SHOAL_ASSIGN_OR_RETURN(
      secrets.authority,
      ReadPair(files.authority_key, files.authority_certificate));
  SHOAL_ASSIGN_OR_RETURN(secrets.server,
                         ReadPair(files.server_key, files.server_certificate));
  SHOAL_ASSIGN_OR_RETURN(secrets.token, JoinToken::ReadFile(files.token));
  const std::string& authority = secrets.authority.certificate_pem;
  SHOAL_RETURN_IF_ERROR(In(files.authority_certificate,
                           CheckIssued(secrets.authority, authority)));
  SHOAL_RETURN_IF_ERROR(
      In(files.server_certificate, CheckIssued(secrets.server, authority)));
  SHOAL_ASSIGN_OR_RETURN(const Fingerprint fingerprint,
                         FingerprintOf(authority));
  if (secrets.token.IsFor(fingerprint)) return secrets;
  return absl::InvalidArgumentError(
      absl::StrCat(files.token, ": this token is for another fleet than ",
                   files.authority_certificate));
}

}  // namespace shoal::security

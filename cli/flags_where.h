// The flags of the group WHERE: which devices run the model.

#ifndef SHOAL_CLI_FLAGS_WHERE_H_
#define SHOAL_CLI_FLAGS_WHERE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/command.h"
#include "discovery/offer.h"

namespace shoal::cli {

struct WhereFlags {
  uint32_t local = 0;       // devices on this machine; 0: not given
  std::string cluster;      // a file
  std::string listen;       // HOST:PORT
  uint32_t expect = 0;      // workers that will join
  std::string coordinator;  // HOST:PORT of one that runs already
  absl::Duration join_timeout = absl::Minutes(2);
  std::string token_file;
  bool insecure = false;
  std::string secrets;  // a folder
  bool trusted_lan = false;
  bool no_offer = false;
  uint32_t offer_port = discovery::kOfferPort;
};

inline constexpr uint32_t kLocalDevicesMax = 64;

void AddWhereFlags(Command& verb, WhereFlags& flags);

// Of the verbs that can be clients.
void AddCoordinatorFlag(Command& verb, WhereFlags& flags);

// Errors: kInvalidArgument  flags that contradict each other
absl::Status CheckWhereFlags(const WhereFlags& flags);

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
};

// "HOST:PORT", "[::1]:PORT".
// Errors: kInvalidArgument  anything else
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

// Whether only this machine reaches the address.
bool IsLoopback(const std::string& host);

// Whether it stands for all addresses of this machine.
bool IsWildcard(const std::string& host);

// The first line of the file that `flag` names. Errors: kNotFound,
// kInvalidArgument: empty.
absl::StatusOr<std::string> ReadSecretFile(absl::string_view flag,
                                           const std::string& path);
absl::StatusOr<std::string> ReadTokenFile(const std::string& path);

// 32 hexadecimal digits from the system's random source.
std::string MakeToken();

// Where a worker finds its token if it has no file.
inline constexpr char kTokenVariable[] = "SHOAL_TOKEN";

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLAGS_WHERE_H_

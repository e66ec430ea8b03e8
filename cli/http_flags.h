// The flags of verbs that answer over HTTP.

#ifndef SHOAL_CLI_HTTP_FLAGS_H_
#define SHOAL_CLI_HTTP_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/command.h"
#include "cli/flags_where.h"

namespace shoal::cli {

struct HttpFlags {
  std::string address;  // HOST:PORT, or :PORT of this machine alone
  std::string api_key_file = {};
  std::vector<std::string> host_names = {};
  bool open = false;
};

// --http, with what stands in `flags.address` as default, --api-key-file,
// --http-open, --http-host.
void AddHttpFlags(const std::string& group, Command& verb, HttpFlags& flags);

// Without a host it is 127.0.0.1. Errors: kInvalidArgument
absl::StatusOr<HostPort> HttpAddressOf(const HttpFlags& flags);

// Errors: kInvalidArgument  no address, or others could reach it unasked
absl::Status CheckHttpFlags(const HttpFlags& flags);

// The key of --api-key-file; empty without. Errors: of ReadSecretFile()
absl::StatusOr<std::string> ApiKeyOf(const HttpFlags& flags);

// "http://[::1]:8080"
std::string HttpUrl(const std::string& host, uint16_t port);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_HTTP_FLAGS_H_

#include "cli/http_flags.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"

namespace shoal::cli {

void AddHttpFlags(const std::string& group, Command& verb, HttpFlags& flags) {
  verb.AddFlag(
      {.names = "--http",
       .value = "HOST:PORT",
       .help = absl::StrCat("Where clients find it (", flags.address, ")"),
       .group = group},
      SetText(&flags.address));
  verb.AddFlag({.names = "--api-key-file",
                .value = "FILE",
                .help = "What clients must show as bearer token: its first "
                        "line (nothing)",
                .group = group},
               SetText(&flags.api_key_file));
  verb.AddSwitch({.names = "--http-open",
                  .help = "Beyond this machine, too, whoever reaches --http "
                          "may ask, without a key",
                  .group = group},
                 &flags.open);
  verb.AddFlag({.names = "--http-host",
                .value = "NAME",
                .help = "A name under which clients without a key find it, "
                        "besides localhost; repeat for more",
                .group = group,
                .repeated = true},
               AppendText(&flags.host_names));
}

absl::StatusOr<HostPort> HttpAddressOf(const HttpFlags& flags) {
  return ParseHostPort(absl::StartsWith(flags.address, ":")
                           ? absl::StrCat("127.0.0.1", flags.address)
                           : flags.address);
}

absl::Status CheckHttpFlags(const HttpFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const HostPort address, HttpAddressOf(flags));
  if (!IsLoopback(address.host) && flags.api_key_file.empty() && !flags.open) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--http ", flags.address,
        " can be reached by other machines: ask for a key (--api-key-file), "
        "add --http-open if everybody there may ask, or listen on 127.0.0.1"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ApiKeyOf(const HttpFlags& flags) {
  if (flags.api_key_file.empty()) return "";
  return ReadSecretFile("--api-key-file", flags.api_key_file);
}

std::string HttpUrl(const std::string& host, uint16_t port) {
  return absl::StrContains(host, ':')
             ? absl::StrCat("http://[", host, "]:", port)
             : absl::StrCat("http://", host, ":", port);
}

}  // namespace shoal::cli

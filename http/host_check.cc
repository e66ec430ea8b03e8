#include "http/host_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace shoal::http {
namespace {

constexpr size_t kPrintedMax = 64;

absl::string_view HostOf(absl::string_view value) {
  const size_t scheme = value.find("://");
  if (scheme != absl::string_view::npos) value.remove_prefix(scheme + 3);
  if (absl::ConsumePrefix(&value, "[")) return value.substr(0, value.find(']'));
  value = value.substr(0, value.find(':'));
  absl::ConsumeSuffix(&value, ".");  // of a name that is whole
  return value;
}

bool IsAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

bool IsKnownHost(absl::string_view value,
                 const std::vector<std::string>& known) {
  const std::string host(HostOf(value));
  return absl::EqualsIgnoreCase(host, "localhost") || IsAddress(host) ||
         std::any_of(known.begin(), known.end(), [&](const std::string& name) {
           return absl::EqualsIgnoreCase(host, name);
         });
}

std::string PrintableHost(absl::string_view value) {
  std::string host(HostOf(value).substr(0, kPrintedMax));
  for (char& c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' &&
        c != '-' && c != '_') {
      c = '?';
    }
  }
  return host;
}

}  // namespace shoal::http

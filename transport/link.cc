#include "transport/link.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace shoal::transport {

int PollMilliseconds(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return -1;
  const absl::Duration left = std::clamp(
      deadline - absl::Now(), absl::ZeroDuration(), absl::Minutes(1));
  return static_cast<int>(
      absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
}

absl::StatusOr<LinkAddress> ParseEndpoint(const std::string& endpoint) {
  absl::string_view rest = endpoint;
  if (absl::ConsumePrefix(&rest, "tcp://")) {
    const size_t colon = rest.rfind(':');
    if (colon != absl::string_view::npos && colon > 0) {
      absl::string_view host = rest.substr(0, colon);
      const absl::string_view port = rest.substr(colon + 1);
      uint32_t number = 0;
      if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
      if (!port.empty() &&
          std::all_of(port.begin(), port.end(),
                      [](unsigned char c) { return absl::ascii_isdigit(c); }) &&
          absl::SimpleAtoi(port, &number) && number >= 1 && number <= 65535 &&
          !host.empty()) {
        return LinkAddress{std::string(host), std::string(port)};
      }
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("has endpoint \"", endpoint,
                   "\", allowed: tcp://HOST:PORT with a port of 1 to 65535"));
}

}  // namespace shoal::transport

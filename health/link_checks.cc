#include "health/link_checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"

namespace shoal::health {
namespace {

// A token takes tens of exchanges, one after the other, each a round trip.
constexpr absl::Duration kRoundTripWell = absl::Milliseconds(5);
constexpr absl::Duration kRoundTripMax = absl::Milliseconds(50);
constexpr absl::Duration kJitterWell = absl::Milliseconds(5);
constexpr absl::Duration kJitterMax = absl::Milliseconds(20);
// Certificates are valid from a moment before they are made.
constexpr absl::Duration kClockWell = absl::Seconds(2);
constexpr absl::Duration kClockMax = absl::Minutes(5);

std::string Text(absl::Duration time) {
  return absl::StrFormat("%.3g ms", absl::ToDoubleMilliseconds(time));
}

absl::Duration Quantile(const std::vector<absl::Duration>& sorted,
                        double part) {
  return sorted[static_cast<size_t>(
      part * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace

Finding CheckReach(const Reach& reach) {
  const std::string check =
      absl::StrCat("ports, ", reach.from, " to ", reach.to);
  constexpr char kExpected[] = "a connection";
  if (reach.status.ok()) return Pass(check, reach.endpoint, kExpected);
  if (absl::IsDeadlineExceeded(reach.status)) {
    return Fail(
        check, absl::StrCat("no answer from ", reach.endpoint), kExpected,
        absl::StrCat("packets get lost: a firewall at ", reach.to,
                     " that drops, a one-way link, or the wrong address; let "
                     "the fleet in there (sudo nft insert rule inet filter "
                     "input ip saddr ADDRESS-OF-",
                     reach.from,
                     " accept; sudo ufw allow from ADDRESS), and run shoal "
                     "doctor there: connections half open mean that it hears "
                     "us and is not heard"));
  }
  return Fail(check, absl::StrCat(reach.endpoint, ": ", reach.status.message()),
              kExpected,
              absl::StrCat("something refuses it: a firewall at ", reach.to,
                           " that rejects (sudo nft list ruleset), or nobody "
                           "listens there"));
}

Finding CheckRoundTrip(const Reach& reach) {
  SHOAL_CHECK(!reach.round_trips.empty());
  std::vector<absl::Duration> sorted = reach.round_trips;
  std::sort(sorted.begin(), sorted.end());
  const absl::Duration median = Quantile(sorted, 0.5);
  const absl::Duration jitter = Quantile(sorted, 0.9) - Quantile(sorted, 0.1);
  const std::string check =
      absl::StrCat("round trip, ", reach.from, " to ", reach.to);
  const std::string value =
      absl::StrCat("median ", Text(median), ", jitter ", Text(jitter),
                   " (10 % to 90 % of ", sorted.size(), ")");
  const std::string expected =
      absl::StrCat("median up to ", Text(kRoundTripWell), ", jitter up to ",
                   Text(kJitterWell));
  constexpr char kFix[] =
      "every exchange of a token waits for it: use cables and one switch; on "
      "Wi-Fi switch power saving off; look for other traffic (ping -i 0.2 "
      "HOST); fewer devices mean fewer exchanges (--parallel)";
  if (median > kRoundTripMax || jitter > kJitterMax) {
    return Fail(check, value, expected, kFix);
  }
  if (median > kRoundTripWell || jitter > kJitterWell) {
    return Warn(check, value, expected, kFix);
  }
  return Pass(check, value, expected);
}

Finding CheckVersion(const std::string& name, const Version& own,
                     const Version& coordinator) {
  constexpr char kCheck[] = "version";
  const std::string value = absl::StrCat(
      "shoal ", own.program,
      own.protocol > 0 ? absl::StrCat(", protocol ", own.protocol) : "");
  const std::string expected =
      absl::StrCat("that of the coordinator: shoal ", coordinator.program,
                   coordinator.protocol > 0
                       ? absl::StrCat(", protocol ", coordinator.protocol)
                       : "");
  const std::string fix = absl::StrCat("install the same shoal on ", name,
                                       " and on the coordinator (shoal "
                                       "--version)");
  if (own.protocol != coordinator.protocol) {
    return Fail(kCheck, value, expected, fix);
  }
  if (own.program != coordinator.program) {
    return Warn(kCheck, value, expected, fix);
  }
  return Pass(kCheck, value, expected);
}

Finding CheckClock(absl::Duration ahead, absl::Duration error) {
  constexpr char kCheck[] = "clock";
  const bool is_ahead = ahead >= absl::ZeroDuration();
  const absl::Duration off = absl::AbsDuration(ahead);
  const std::string value =
      absl::StrCat(Text(off), is_ahead ? " ahead of" : " behind",
                   " the coordinator's, to within ", Text(error));
  const std::string expected =
      absl::StrCat("within ", absl::FormatDuration(kClockWell));
  constexpr char kFix[] =
      "certificates and logs go by it: sudo timedatectl set-ntp true";
  if (off - error > kClockMax) return Fail(kCheck, value, expected, kFix);
  if (off - error > kClockWell) return Warn(kCheck, value, expected, kFix);
  return Pass(kCheck, value, expected);
}

}  // namespace shoal::health

#include "cli/top_plain.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/styled_line.h"
#include "cli/top_layout.h"

namespace shoal::cli {
namespace {

using proto::DeviceSnapshot;

std::string Parts(double compute, double disk, double wire, double wait) {
  return absl::StrCat("computing ", ShortNumber(compute), ", disk ",
                      ShortNumber(disk), ", wire ", ShortNumber(wire),
                      ", waiting ", ShortNumber(wait), " ms");
}

std::string EventText(const proto::FleetEvent& event) {
  std::string text = event.severity() == proto::FleetEvent::ERROR ? "error"
                     : event.severity() == proto::FleetEvent::WARNING
                         ? "warning"
                         : "event";
  if (!event.device().empty()) {
    absl::StrAppend(&text, ", ", AsciiOf(event.device()));
  }
  absl::StrAppend(&text, ": ", AsciiOf(event.text()));
  if (!event.command().empty()) {
    absl::StrAppend(&text, " (", AsciiOf(event.command()), ")");
  }
  return text;
}

std::string FleetText(const proto::FleetSnapshot& snapshot) {
  const proto::RequestFigures& requests = snapshot.requests();
  std::string text = snapshot.status().model_name().empty()
                         ? "no model yet"
                         : AsciiOf(snapshot.status().model_name());
  if (!snapshot.status().failure().empty()) {
    absl::StrAppend(&text, ", ended: ", AsciiOf(snapshot.status().failure()));
  }
  absl::StrAppend(
      &text, ", ", requests.running_count(), " running, ",
      requests.queued_count(), " queued, ", requests.finished_count(),
      " done, ", ShortNumber(requests.tokens_per_second_now()),
      " tokens/s now, ", ShortNumber(requests.tokens_per_second_average()),
      " average");
  if (requests.has_time_to_first_token_ms()) {
    absl::StrAppend(&text, ", first token ",
                    ShortNumber(requests.time_to_first_token_ms()), " ms");
  }
  if (snapshot.has_token_now()) {
    const proto::TokenTime& token = snapshot.token_now();
    absl::StrAppend(&text, ", token ", ShortNumber(token.ms_per_token()),
                    " ms: ",
                    Parts(token.compute_ms(), token.disk_ms(), token.wire_ms(),
                          token.wait_ms()));
  }
  if (snapshot.has_predicted_ms_per_token()) {
    absl::StrAppend(&text, ", predicted ",
                    ShortNumber(snapshot.predicted_ms_per_token()), " ms");
  }
  if (snapshot.ending()) absl::StrAppend(&text, ", the coordinator ended");
  return text;
}

std::string DeviceText(const DeviceSnapshot& device) {
  std::string text =
      absl::StrCat("device ", AsciiOf(device.status().profile().name()), " ",
                   StateName(device.state()));
  if (device.has_report()) {
    absl::StrAppend(&text, ", memory ",
                    ShortBytes(static_cast<double>(device.rss_bytes())), " of ",
                    ShortBytes(static_cast<double>(device.budget_bytes())));
  }
  if (device.share_bytes() > 0) {
    absl::StrAppend(&text, ", share ",
                    ShortBytes(static_cast<double>(device.share_bytes())),
                    ", in memory ",
                    ShortBytes(static_cast<double>(device.resident_bytes())),
                    ", reads ", ShortBytes(device.read_rate()), "/s");
  }
  if (device.has_token_now()) {
    const proto::DeviceTokenTime& token = device.token_now();
    absl::StrAppend(&text, ", ",
                    Parts(token.compute_ms(), token.disk_ms(), token.wire_ms(),
                          token.wait_ms()));
  }
  if (device.has_round_trip_ms()) {
    absl::StrAppend(&text, ", round trip ", ShortNumber(device.round_trip_ms()),
                    " ms");
  }
  if (device.health().has_temperature_c()) {
    absl::StrAppend(&text, ", ", ShortNumber(device.health().temperature_c()),
                    " C");
  }
  if (device.health().has_battery_percent()) {
    absl::StrAppend(&text, ", battery ",
                    ShortNumber(device.health().battery_percent()), " %");
  }
  return text;
}

}  // namespace

std::string PlainText(const proto::WatchUpdate& update,
                      const std::string& filter, absl::TimeZone zone) {
  const auto time_of = [zone](int64_t unix_ms) {
    return absl::StrCat(
        absl::FormatTime("%H:%M:%S", absl::FromUnixMillis(unix_ms), zone), " ");
  };
  std::string text;
  for (const proto::FleetEvent& event : update.events()) {
    if (!absl::StrContains(event.device(), filter)) continue;
    absl::StrAppend(&text, time_of(event.time_unix_ms()), EventText(event),
                    "\n");
  }
  const std::string now = time_of(update.snapshot().time_unix_ms());
  absl::StrAppend(&text, now, FleetText(update.snapshot()), "\n");
  for (const DeviceSnapshot& device : update.snapshot().devices()) {
    if (!absl::StrContains(device.status().profile().name(), filter)) continue;
    absl::StrAppend(&text, now, DeviceText(device), "\n");
  }
  return text;
}

}  // namespace shoal::cli

#include "transport/network.h"

#include "absl/strings/str_cat.h"

namespace shoal::transport {
namespace {

absl::Status Bad(absl::string_view field, uint64_t value,
                 absl::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat(
      "network options: ", field, " is ", value, ", allowed: ", allowed));
}

}  // namespace

absl::Status CheckOptions(const NetworkOptions& options) {
  if (options.rank >= kRankLimit)
    return Bad("rank", options.rank, absl::StrCat("< ", kRankLimit));
  for (const auto& [rank, name] : options.peers) {
    if (rank >= kRankLimit || rank == options.rank) {
      return Bad("a peer's rank", rank,
                 absl::StrCat("< ", kRankLimit, " and not the own rank"));
    }
  }
  if (options.payload_bytes_max > kPayloadBytesLimit) {
    return Bad("payload_bytes_max", options.payload_bytes_max,
               absl::StrCat("<= ", kPayloadBytesLimit));
  }
  constexpr uint32_t kHighWaterMarkLimit = 1000;
  if (options.high_water_mark < 1 ||
      options.high_water_mark > kHighWaterMarkLimit) {
    return Bad("high_water_mark", options.high_water_mark,
               absl::StrCat("1 to ", kHighWaterMarkLimit));
  }
  if (options.shared_bytes > kPayloadBytesLimit) {
    return Bad("shared_bytes", options.shared_bytes,
               absl::StrCat("<= ", kPayloadBytesLimit));
  }
  if (options.silence_max < absl::Seconds(2) ||
      options.silence_max > absl::Hours(1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "network options: silence_max is ",
        absl::FormatDuration(options.silence_max), ", allowed: 2s to 1h"));
  }
  if (options.polling_time < absl::ZeroDuration() ||
      options.polling_time > absl::Seconds(1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "network options: polling_time is ",
        absl::FormatDuration(options.polling_time), ", allowed: 0 to 1s"));
  }
  return absl::OkStatus();
}

}  // namespace shoal::transport

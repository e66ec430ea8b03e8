#include "model/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/utf8.h"

namespace shoal::model {
namespace {

std::vector<uint32_t> MakeFallback(absl::string_view stop) {
  std::vector<uint32_t> fallback(stop.size() + 1, 0);
  uint32_t matched = 0;
  for (size_t idx = 1; idx < stop.size(); ++idx) {
    while (matched > 0 && stop[matched] != stop[idx]) {
      matched = fallback[matched];
    }
    if (stop[matched] == stop[idx]) ++matched;
    fallback[idx + 1] = matched;
  }
  return fallback;
}

}  // namespace

absl::StatusOr<StopMatcher> StopMatcher::Create(
    const std::vector<std::string>& stops) {
  if (stops.size() > kStopCountMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("stop: ", stops.size(), " stop strings; at most ",
                     kStopCountMax, " are allowed"));
  }
  StopMatcher matcher;
  for (size_t idx = 0; idx < stops.size(); ++idx) {
    const std::string& stop = stops[idx];
    if (stop.empty() || stop.size() > kStopBytesMax || !IsValidUtf8(stop)) {
      return absl::InvalidArgumentError(
          absl::StrCat("stop: string ", idx, " has ", stop.size(),
                       " bytes; it must be UTF-8 of 1 to ", kStopBytesMax));
    }
    matcher.followers_.push_back({stop, MakeFallback(stop), 0});
  }
  return matcher;
}

void StopMatcher::Feed(absl::string_view text, std::string& out) {
  if (stopped_) return;
  for (const char c : text) {
    held_.push_back(c);
    size_t found_bytes = 0;
    for (Follower& follower : followers_) {
      uint32_t& matched = follower.matched_bytes;
      while (matched > 0 && follower.stop[matched] != c) {
        matched = follower.fallback[matched];
      }
      if (follower.stop[matched] == c) ++matched;
      if (matched == follower.stop.size()) {
        found_bytes = std::max(found_bytes, follower.stop.size());
      }
    }
    if (found_bytes > 0) {
      out.append(held_, 0, held_.size() - found_bytes);
      held_.clear();
      stopped_ = true;
      return;
    }
  }
  size_t held_bytes = 0;
  for (const Follower& follower : followers_) {
    held_bytes = std::max<size_t>(held_bytes, follower.matched_bytes);
  }
  out.append(held_, 0, held_.size() - held_bytes);
  held_.erase(0, held_.size() - held_bytes);
}

void StopMatcher::Flush(std::string& out) {
  out += held_;
  held_.clear();
  for (Follower& follower : followers_) follower.matched_bytes = 0;
}

}  // namespace shoal::model

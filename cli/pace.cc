#include "cli/pace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/byte_size.h"

namespace shoal::cli {
namespace {

// Before that, a rate says little, and nobody has begun to wait.
constexpr absl::Duration kLongEnough = absl::Seconds(2);

// To whole seconds, minutes from ten of them on: more is not known.
std::string Roughly(absl::Duration time) {
  const absl::Duration unit =
      time < absl::Minutes(10) ? absl::Seconds(1) : absl::Minutes(1);
  return absl::FormatDuration(absl::Ceil(time, unit));
}

}  // namespace

std::string Pace::Text(uint64_t done, uint64_t total, absl::Time now) {
  std::string text = absl::StrCat(base::FormatByteSize(done), " of ",
                                  base::FormatByteSize(total));
  if (begin_ == absl::InfiniteFuture()) {
    begin_ = now;
    done_at_begin_ = done;
  }
  const absl::Duration taken = now - begin_;
  if (taken < kLongEnough || done <= done_at_begin_ || done >= total) {
    return text;
  }
  const double rate =
      static_cast<double>(done - done_at_begin_) / absl::ToDoubleSeconds(taken);
  const absl::Duration left =
      absl::Seconds(static_cast<double>(total - done) / rate);
  absl::StrAppend(&text, ", ",
                  base::FormatByteSize(static_cast<uint64_t>(rate)), "/s, ",
                  Roughly(left), " left");
  return text;
}

std::string Pace::Bar(uint64_t done, uint64_t total, int width) {
  const uint64_t filled =
      total == 0 ? 0
                 : std::min(done, total) * static_cast<uint64_t>(width) / total;
  return absl::StrCat("[", std::string(filled, '#'),
                      std::string(static_cast<uint64_t>(width) - filled, '-'),
                      "]");
}

}  // namespace shoal::cli

#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace shoal::cli {
namespace {

constexpr absl::Duration kLineInterval = absl::Seconds(2);
constexpr absl::Duration kDrawInterval = absl::Milliseconds(100);
constexpr int kBarWidth = 20;

}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::Say(absl::string_view line) {
  Done();
  std::fprintf(stderr, "%s\n", std::string(line).c_str());
}

void Progress::Draw(absl::string_view line) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\033[K%s", std::string(line).c_str());
  open_line_ = true;
}

void Progress::Joined(const coordinator::JoinProgress& progress) {
  if (!progress.refusal.ok()) {
    Say(absl::StrCat(progress.device,
                     " was refused: ", progress.refusal.message()));
  } else {
    Say(absl::StrCat(progress.device, " joined (", progress.joined,
                     progress.joined > progress.expected
                         ? ""
                         : absl::StrCat(" of ", progress.expected),
                     ")"));
  }
}

void Progress::Loading(const coordinator::DeviceProgress& progress) {
  Device& device = devices_[progress.device];
  const bool another = device.what != progress.load.what;
  device.what = progress.load.what;
  device.done = progress.load.bytes_done;
  device.total = progress.load.bytes_total;
  const absl::Time now = absl::Now();
  if (!terminal_) {
    const bool complete = device.done == device.total;
    if (device.total == 0 ||
        (!complete && !another && now - device.said < kLineInterval)) {
      return;
    }
    device.said = now;
    Say(absl::StrCat(progress.device, ": ", device.what, ", ",
                     device.pace.Text(device.done, device.total, now)));
    return;
  }
  uint64_t done = 0;
  uint64_t total = 0;
  for (const auto& [name, d] : devices_) {
    done += d.done;
    total += d.total;
  }
  DrawBar(device.what, done, total, pace_, now);
}

void Progress::Bytes(absl::string_view what, uint64_t done, uint64_t total) {
  const absl::Time now = absl::Now();
  if (terminal_) return DrawBar(what, done, total, pace_, now);
  const std::string text = pace_.Text(done, total, now);
  if (said_ == absl::InfinitePast()) said_ = now;
  if (now - said_ < kLineInterval) return;
  said_ = now;
  Say(absl::StrCat(what, ", ", text));
}

void Progress::DrawBar(absl::string_view what, uint64_t done, uint64_t total,
                       Pace& pace, absl::Time now) {
  if (now - drawn_ < kDrawInterval) return;
  drawn_ = now;
  Draw(absl::StrCat(what, " ", Pace::Bar(done, total, kBarWidth), " ",
                    pace.Text(done, total, now)));
}

void Progress::Done() {
  if (open_line_) std::fputs("\r\033[K", stderr);
  open_line_ = false;
}

}  // namespace shoal::cli

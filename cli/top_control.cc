#include "cli/top_control.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/top_terminal.h"

namespace shoal::cli {
namespace {

using coordinator::FleetChange;
using Kind = FleetChange::Kind;

constexpr size_t kFilterBytesMax = 64;

std::string Question(const FleetChange& change) {
  switch (change.kind) {
    case Kind::kDrain:
      return absl::StrCat("drain ", change.device, "? y/n");
    case Kind::kResume:
      return absl::StrCat("resume ", change.device, "? y/n");
    case Kind::kReplan:
      break;
  }
  return "plan again for the devices that are here? y/n";
}

}  // namespace

void TopControl::Press(int key) {
  if (key == kKeyNone || key == kKeyResize) return;
  if (state_.is_typing_filter) return Type(key);
  if (state_.asks) return Answer(key);
  if (!state_.is_changing) state_.message.clear();
  switch (key) {
    case 'q':
    case 'Q':
      quits_ = true;
      return;
    case ' ':
      state_.is_paused = !state_.is_paused;
      return;
    case 'f':
    case '/':
      state_.is_typing_filter = true;
      return;
    case kKeyUp:
      return Select(-1);
    case kKeyDown:
      return Select(1);
    case 'd':
      return AskFor(Kind::kDrain);
    case 'r':
      return AskFor(Kind::kResume);
    case 'p':
      return AskFor(Kind::kReplan);
    default:
      return;
  }
}

std::optional<FleetChange> TopControl::TakeChange() {
  return std::exchange(confirmed_, std::nullopt);
}

void TopControl::Type(int key) {
  std::string& filter = state_.filter;
  if (key == kKeyEnter || key == kKeyEscape) {
    state_.is_typing_filter = false;
    if (key == kKeyEscape) filter.clear();
  } else if (key == kKeyBackspace) {
    if (!filter.empty()) filter.pop_back();
  } else if (key > 0 && key < 128 &&
             absl::ascii_isgraph(static_cast<unsigned char>(key)) &&
             filter.size() < kFilterBytesMax) {
    filter.push_back(static_cast<char>(key));
  }
}

void TopControl::Answer(int key) {
  if (key == 'y' || key == 'Y') confirmed_ = state_.asks;
  state_.asks.reset();
  state_.message = confirmed_ ? "" : "nothing was changed";
}

void TopControl::Select(int step) {
  std::vector<std::string> names;
  for (const proto::DeviceSnapshot& device : state_.snapshot.devices()) {
    const std::string& name = device.status().profile().name();
    if (absl::StrContains(name, state_.filter)) names.push_back(name);
  }
  if (names.empty()) return;
  const auto found = std::find(names.begin(), names.end(), state_.selected);
  const auto count = static_cast<ptrdiff_t>(names.size());
  // The first key selects the first or the last of them.
  ptrdiff_t place = step > 0 ? 0 : count - 1;
  if (found != names.end()) {
    place = std::clamp<ptrdiff_t>(found - names.begin() + step, 0, count - 1);
  }
  state_.selected = names[static_cast<size_t>(place)];
}

void TopControl::AskFor(Kind kind) {
  if (state_.is_replay) {
    state_.message = "this is a recording: there is nothing to change";
    return;
  }
  if (state_.is_changing) return;
  if (kind != Kind::kReplan && state_.selected.empty()) {
    state_.message = "select a device first, with the arrow keys";
    return;
  }
  FleetChange change;
  change.kind = kind;
  if (kind != Kind::kReplan) change.device = state_.selected;
  state_.asks = change;
  state_.message = Question(change);
}

}  // namespace shoal::cli

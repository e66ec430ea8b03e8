// What `shoal top` shows: a fleet at one moment as lines of a screen.

#ifndef SHOAL_CLI_TOP_LAYOUT_H_
#define SHOAL_CLI_TOP_LAYOUT_H_

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/styled_line.h"
#include "coordinator/fleet_change.h"
#include "proto/operator.pb.h"

namespace shoal::cli {

struct TopState {
  proto::FleetSnapshot snapshot;
  std::deque<proto::FleetEvent> events;  // oldest first
  bool has_snapshot = false;
  bool is_paused = false;
  bool is_replay = false;
  // Only devices and events whose device has it in its name; empty: all.
  std::string filter;
  bool is_typing_filter = false;
  std::string notice;    // of the program itself; shown in the last line
  std::string selected;  // device; empty: none
  // Of changes: a question, how far one is, how it ended; above the last line.
  std::string message;
  std::optional<coordinator::FleetChange> asks;  // a question waits
  bool is_changing = false;

  static constexpr size_t kEventCountMax = 256;

  // Takes over what an update says.
  void Apply(const proto::WatchUpdate& update);
};

struct TopScreen {
  int width = 80;
  int height = 24;
  Glyphs glyphs = Glyphs::Ascii();
  absl::TimeZone zone = absl::UTCTimeZone();  // for times of the day
};

// `height` lines, none wider than `width`. What there is no room for is left
// out, and the screen says how much: devices before events, events before the
// head. From 80 x 24 on four devices, their plan and some events are shown.
std::vector<StyledLine> LayOut(const TopState& state, const TopScreen& screen);

// "serving", "lost" and so on.
std::string StateName(proto::DeviceSnapshot::State state);

// "12.3", with fewer digits the larger it is: at most five characters up to
// 99999.
std::string ShortNumber(double number);
// "312M": bytes in five characters.
std::string ShortBytes(double bytes);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TOP_LAYOUT_H_

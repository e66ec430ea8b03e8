#include "cli/top_layout.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "cli/top_parts.h"

namespace shoal::cli {
namespace {

using proto::FleetSnapshot;

constexpr int kWidthMin = 20;
constexpr int kEventLinesMin = 3;  // with their heading
constexpr int kGridLinesMax = 8;
constexpr int kDeviceLinesMin = 4;
constexpr int kEventIndent = 14;
constexpr size_t kEventTextLinesMax = 4;  // of one event
constexpr size_t kMessageLinesMax = 4;
// From so many lines on sections are apart.
constexpr int kAiryHeight = 32;

std::string TimeOf(int64_t unix_ms, const TopScreen& screen) {
  return absl::FormatTime("%H:%M:%S", absl::FromUnixMillis(unix_ms),
                          screen.zone);
}

std::string StateOf(const proto::FleetStatus& status) {
  if (!status.failure().empty()) return "NOT RUNNING";
  if (status.model_name().empty()) return "no model yet";
  return status.ready() ? "ready" : "loading";
}

void Append(const std::vector<StyledLine>& from, std::vector<StyledLine>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

StyledLine TitleLine(const TopState& state, const TopScreen& screen) {
  const FleetSnapshot& snapshot = state.snapshot;
  const proto::FleetStatus& status = snapshot.status();
  StyledLine line;
  line.Add("shoal top", Style::kTitle).Add("  ");
  line.Add(status.model_name().empty() ? "-" : AsciiOf(status.model_name()),
           Style::kTitle);
  if (snapshot.has_plan()) {
    line.Add(absl::StrCat("  plan ", snapshot.plan().epoch(), ": ",
                          snapshot.plan().device_names_size(), " devices, ",
                          std::max(1, snapshot.plan().stages_size() - 1),
                          " stage",
                          snapshot.plan().stages_size() > 2 ? "s" : ""));
  }
  const std::string fleet_state = StateOf(status);
  line.Add("  ").Add(fleet_state, fleet_state == "ready" ? Style::kGood
                                  : fleet_state == "NOT RUNNING"
                                      ? Style::kError
                                      : Style::kWarning);
  std::string right = TimeOf(snapshot.time_unix_ms(), screen);
  if (state.is_replay) right = absl::StrCat("replay ", right);
  if (state.is_paused) right = absl::StrCat("PAUSED ", right);
  if (snapshot.ending()) right = absl::StrCat("ENDED ", right);
  const int column = screen.width - ColumnsOf(right);
  return line.CutTo(std::max(0, column - 1)).PadTo(column).Add(right);
}

StyledLine RequestLine(const FleetSnapshot& snapshot, int width) {
  const proto::RequestFigures& requests = snapshot.requests();
  StyledLine line;
  line.Add(ShortNumber(requests.tokens_per_second_now()), Style::kTitle)
      .Add(" tokens/s now, ")
      .Add(ShortNumber(requests.tokens_per_second_average()))
      .Add(" average; first token ")
      .Add(requests.has_time_to_first_token_ms()
               ? absl::StrCat(ShortNumber(requests.time_to_first_token_ms()),
                              " ms")
               : "-")
      .Add(absl::StrCat("; ", requests.running_count(), " running, ",
                        requests.queued_count(), " queued"));
  if (requests.refused_count() > 0) {
    line.Add(absl::StrCat(", ", requests.refused_count(), " refused"),
             Style::kWarning);
  }
  const std::string done =
      absl::StrCat(", ", requests.finished_count(), " done");
  if (line.width() + ColumnsOf(done) <= width) line.Add(done);
  return line;
}

StyledLine TokenLine(const FleetSnapshot& snapshot) {
  StyledLine line;
  if (!snapshot.has_token_now()) {
    line.Add(snapshot.requests().running_count() > 0
                 ? "no token yet"
                 : "nothing is generated now",
             Style::kFaint);
  } else {
    line.Add(ShortNumber(snapshot.token_now().ms_per_token()), Style::kTitle)
        .Add(" ms/token now");
  }
  if (snapshot.has_token_total()) {
    line.Add(", ")
        .Add(ShortNumber(snapshot.token_total().ms_per_token()))
        .Add(" since the start");
  }
  if (snapshot.has_predicted_ms_per_token()) {
    line.Add(", ")
        .Add(ShortNumber(snapshot.predicted_ms_per_token()))
        .Add(" predicted");
  }
  if (snapshot.has_best_single_device()) {
    line.Add("; alone: ")
        .Add(AsciiOf(snapshot.best_single_device()))
        .Add(" ")
        .Add(ShortNumber(snapshot.best_single_ms_per_token()));
  }
  return line;
}

void AddTokenBar(const FleetSnapshot& snapshot, const TopScreen& screen,
                 std::vector<StyledLine>& lines) {
  const proto::TokenTime& token =
      snapshot.has_token_now() ? snapshot.token_now() : snapshot.token_total();
  const TimeParts parts = {token.compute_ms(), token.disk_ms(), token.wire_ms(),
                           token.wait_ms()};
  StyledLine bar;
  bar.Add("[");
  AddTimeBar(parts, std::isfinite(parts.total()) ? parts.total() : 0,
             screen.width - 2, screen.glyphs, bar);
  lines.push_back(bar.Add("]"));
  StyledLine legend;
  const auto entry = [&](const std::string& glyph, const char* name, double ms,
                         Style style) {
    if (legend.width() > 0) legend.Add("  ");
    legend.Add(absl::StrCat(glyph, glyph), style)
        .Add(absl::StrCat(" ", name, " ", ShortNumber(ms)));
  };
  entry(screen.glyphs.full, "computing", token.compute_ms(), Style::kCompute);
  entry(screen.glyphs.disk, "disk", token.disk_ms(), Style::kDisk);
  entry(screen.glyphs.wire, "wire", token.wire_ms(), Style::kWire);
  entry(screen.glyphs.wait, "for the slowest", token.wait_ms(), Style::kWait);
  lines.push_back(legend.Add("  ms"));
}

std::vector<StyledLine> HeadLines(const TopState& state,
                                  const TopScreen& screen) {
  std::vector<StyledLine> lines;
  lines.push_back(TitleLine(state, screen));
  if (!state.snapshot.status().failure().empty()) {
    StyledLine why;
    why.Add("ended: ", Style::kError)
        .Add(AsciiOf(state.snapshot.status().failure()));
    lines.push_back(why);
  }
  lines.push_back(RequestLine(state.snapshot, screen.width));
  lines.push_back(TokenLine(state.snapshot));
  AddTokenBar(state.snapshot, screen, lines);
  return lines;
}

// An event with its text broken between words, and its command.
std::vector<StyledLine> LinesOf(const proto::FleetEvent& event,
                                const TopScreen& screen) {
  const bool is_error = event.severity() == proto::FleetEvent::ERROR;
  const bool is_warning = event.severity() == proto::FleetEvent::WARNING;
  std::vector<StyledLine> lines(1);
  lines[0]
      .Add(TimeOf(event.time_unix_ms(), screen), Style::kFaint)
      .Add(is_error     ? " ERROR"
           : is_warning ? " WARN "
                        : " info ",
           is_error     ? Style::kError
           : is_warning ? Style::kWarning
                        : Style::kPlain);
  if (!event.device().empty()) {
    lines[0].Add(" ").Add(AsciiOf(event.device()), Style::kTitle).Add(":");
  }
  const std::string text = AsciiOf(event.text());
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const int width = lines.back().width() + 1 + ColumnsOf(word);
    if (width > screen.width && lines.size() < kEventTextLinesMax) {
      lines.emplace_back().PadTo(kEventIndent);
    }
    lines.back().Add(" ").Add(word);
  }
  if (event.command().empty()) return lines;
  lines.emplace_back()
      .PadTo(kEventIndent)
      .Add(" $ ", Style::kFaint)
      .Add(AsciiOf(event.command()), Style::kTitle);
  return lines;
}

std::vector<StyledLine> EventLines(const TopState& state,
                                   const TopScreen& screen, int line_max) {
  std::vector<StyledLine> lines;
  if (line_max <= 0) return lines;
  lines.emplace_back().Add("events, newest first", Style::kFaint);
  for (auto event = state.events.rbegin();
       event != state.events.rend() &&
       static_cast<int>(lines.size()) < line_max;
       ++event) {
    if (!absl::StrContains(event->device(), state.filter)) continue;
    Append(LinesOf(*event, screen), lines);
  }
  if (lines.size() == 1) lines.emplace_back().Add("none", Style::kFaint);
  if (static_cast<int>(lines.size()) > line_max) {
    lines.resize(static_cast<size_t>(line_max));
  }
  return lines;
}

StyledLine FootLine(const TopState& state) {
  StyledLine line;
  if (state.is_typing_filter) {
    return line.Add("filter devices: ", Style::kTitle)
        .Add(state.filter)
        .Add("_  (Enter: done, Esc: all)", Style::kFaint);
  }
  const auto key = [&line](const char* name, const char* what) {
    line.Add(name, Style::kTitle).Add(" ").Add(what).Add("  ");
  };
  key("q", "quit");
  // Before the keys that a narrow screen has no room for.
  if (!state.filter.empty()) {
    line.Add("showing only: ").Add(state.filter, Style::kWarning).Add("  ");
  }
  if (!state.notice.empty()) {
    line.Add(AsciiOf(state.notice), Style::kWarning).Add("  ");
  }
  key("space", state.is_paused ? "go on" : "pause");
  key("f", "filter");
  // A recording cannot be changed.
  if (!state.is_replay) {
    key("arrows", "select");
    key("d", "drain");
    key("r", "resume");
    key("p", "replan");
  }
  return line;
}

// The message, broken between words.
std::vector<StyledLine> MessageLines(const TopState& state,
                                     const TopScreen& screen) {
  std::vector<StyledLine> lines;
  const std::string text = AsciiOf(state.message);
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (lines.empty() ||
        (lines.back().width() + 1 + ColumnsOf(word) > screen.width &&
         lines.size() < kMessageLinesMax)) {
      lines.emplace_back();
    } else {
      lines.back().Add(" ");
    }
    lines.back().Add(word, Style::kWarning);
  }
  return lines;
}

}  // namespace

void TopState::Apply(const proto::WatchUpdate& update) {
  snapshot = update.snapshot();
  has_snapshot = true;
  for (const proto::FleetEvent& event : update.events()) {
    if (events.size() == kEventCountMax) events.pop_front();
    events.push_back(event);
  }
}

std::vector<StyledLine> LayOut(const TopState& state, const TopScreen& given) {
  TopScreen screen = given;
  screen.width = std::max(given.width, kWidthMin);
  const std::vector<StyledLine> message = MessageLines(state, screen);
  // Above the last line and the message.
  const int room = std::max(
      0, std::max(given.height, 1) - 1 - static_cast<int>(message.size()));
  std::vector<StyledLine> lines;
  if (!state.has_snapshot) {
    lines.emplace_back().Add("waiting for the coordinator", Style::kFaint);
  } else {
    const bool is_airy = given.height >= kAiryHeight;
    lines = HeadLines(state, screen);
    if (is_airy) lines.emplace_back();
    // What comes after has what this leaves.
    const std::vector<StyledLine> grid =
        GridLines(state.snapshot, screen, kGridLinesMax);
    const int left = room - static_cast<int>(lines.size());
    const int grid_count =
        left - static_cast<int>(grid.size()) >= kDeviceLinesMin + kEventLinesMin
            ? static_cast<int>(grid.size())
            : 0;
    Append(DeviceLines(state, screen, left - grid_count - kEventLinesMin),
           lines);
    if (is_airy) lines.emplace_back();
    if (grid_count > 0) Append(grid, lines);
    if (is_airy && grid_count > 0) lines.emplace_back();
    Append(EventLines(state, screen, room - static_cast<int>(lines.size())),
           lines);
  }
  lines.resize(static_cast<size_t>(room));
  Append(message, lines);
  lines.push_back(FootLine(state));
  for (StyledLine& line : lines) line.CutTo(given.width);
  return lines;
}

std::string StateName(proto::DeviceSnapshot::State state) {
  switch (state) {
    case proto::DeviceSnapshot::JOINED:
      return "joined";
    case proto::DeviceSnapshot::LOADING:
      return "loading";
    case proto::DeviceSnapshot::SERVING:
      return "serving";
    case proto::DeviceSnapshot::SILENT:
      return "SILENT";
    case proto::DeviceSnapshot::FAILED:
      return "FAILED";
    case proto::DeviceSnapshot::LOST:
      return "LOST";
    case proto::DeviceSnapshot::DRAINED:
      return "drained";
    default:
      return "?";
  }
}

std::string ShortNumber(double number) {
  if (!std::isfinite(number)) return "?";
  const double size = std::abs(number);
  if (size >= 1e6) return absl::StrFormat("%.2g", number);
  if (size >= 999.5) return absl::StrFormat("%.0f", number);
  if (size >= 99.95) return absl::StrFormat("%.0f", number);
  if (size >= 9.995) return absl::StrFormat("%.1f", number);
  return absl::StrFormat("%.2f", number);
}

std::string ShortBytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "K", "M", "G", "T", "P"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  const bool whole = unit == 0 || bytes >= 9.95;
  return absl::StrFormat("%.*f%s", whole ? 0 : 1, bytes, kUnits[unit]);
}

}  // namespace shoal::cli

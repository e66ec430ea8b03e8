#include "cli/top_parts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal::cli {
namespace {

using proto::DeviceSnapshot;

constexpr int kNameWidth = 12;
constexpr int kTimeBarMin = 12;
constexpr int kTimeBarMax = 40;
constexpr int kMemoryBarWidth = 6;
constexpr int kWideMemoryBarWidth = 10;
constexpr int kMemoryWidth = 13;  // beside the bar: brackets and numbers
constexpr int kPartWidth = 6;     // of a number of milliseconds
constexpr int kWideScreen = 150;  // columns, from which there are more figures
constexpr double kWarmC = 75;
constexpr double kBatteryLow = 15;

// Figures of a file or of another version may be anything.
double Sane(double ms) {
  constexpr double kMax = 1e9;
  return ms > 0 && ms < kMax ? ms : 0;
}

TimeParts PartsOf(const DeviceSnapshot& device) {
  const proto::DeviceTokenTime& token =
      device.has_token_now() ? device.token_now() : device.token_total();
  return {Sane(token.compute_ms()), Sane(token.disk_ms()),
          Sane(token.wire_ms()), Sane(token.wait_ms())};
}

// A column of the table: what is in a cell, aligned to the right in `width`.
struct Column {
  const char* heading;
  int width;
  std::function<std::string(const DeviceSnapshot&)> text;
  std::function<Style(const DeviceSnapshot&)> style = nullptr;
  bool is_left = false;
};

Style StateStyle(const DeviceSnapshot& device) {
  switch (device.state()) {
    case DeviceSnapshot::SERVING:
      return Style::kGood;
    case DeviceSnapshot::SILENT:
    case DeviceSnapshot::FAILED:
    case DeviceSnapshot::LOST:
      return Style::kError;
    default:
      return Style::kWarning;
  }
}

std::string LoadText(const DeviceSnapshot& device) {
  if (device.load_bytes_total() == 0) return StateName(device.state());
  return absl::StrFormat("load%3.0f%%",
                         100.0 * static_cast<double>(device.load_bytes_done()) /
                             static_cast<double>(device.load_bytes_total()));
}

std::string StateText(const DeviceSnapshot& device) {
  return device.state() == DeviceSnapshot::LOADING ? LoadText(device)
                                                   : StateName(device.state());
}

// Of all shares.
std::string ShareText(const DeviceSnapshot& device, uint64_t all_bytes) {
  if (!device.status().has_rank() || all_bytes == 0) return "-";
  return absl::StrFormat(
      "%.0f%%", 100.0 * static_cast<double>(device.status().share_bytes()) /
                    static_cast<double>(all_bytes));
}

std::string RateText(double rate) {
  return rate > 0 ? absl::StrCat(ShortBytes(rate), "/s") : "-";
}

std::string WeightsText(const DeviceSnapshot& device) {
  if (device.share_bytes() == 0) return "-";
  return absl::StrCat(ShortBytes(static_cast<double>(device.resident_bytes())),
                      "+",
                      ShortBytes(static_cast<double>(device.streamed_bytes())));
}

std::string OptionalNumber(bool is_there, double number) {
  return is_there ? ShortNumber(number) : "-";
}

std::string HeatText(const DeviceSnapshot& device) {
  if (!device.health().has_temperature_c()) return "-";
  const double degrees = device.health().temperature_c();
  return absl::StrFormat("%.0fC%s", degrees, degrees >= kWarmC ? "!" : "");
}

Style HeatStyle(const DeviceSnapshot& device) {
  return device.health().temperature_c() >= kWarmC ? Style::kWarning
                                                   : Style::kPlain;
}

// + while it is charged.
std::string PowerText(const DeviceSnapshot& device) {
  if (!device.health().has_battery_percent()) return "-";
  return absl::StrFormat("%.0f%%%s", device.health().battery_percent(),
                         device.health().battery_discharging() ? "-" : "+");
}

Style PowerStyle(const DeviceSnapshot& device) {
  return device.health().has_battery_percent() &&
                 device.health().battery_percent() < kBatteryLow
             ? Style::kWarning
             : Style::kPlain;
}

std::string MachineLoadText(const DeviceSnapshot& device) {
  if (!device.health().has_load()) return "-";
  return absl::StrFormat("%.1f/%d", device.health().load(),
                         device.health().core_count());
}

std::vector<Column> ColumnsFor(bool is_wide, uint64_t all_bytes) {
  std::vector<Column> columns = {
      {"state", 8, StateText, StateStyle, true},
      {"share", 5,
       [all_bytes](const auto& d) { return ShareText(d, all_bytes); }},
  };
  if (is_wide) {
    columns.push_back({"rank", 4, [](const auto& d) {
                         return d.status().has_rank()
                                    ? absl::StrCat(d.status().rank())
                                    : "-";
                       }});
  }
  columns.push_back({"mem+disk", 10, WeightsText});
  columns.push_back(
      {"reads", 7, [](const auto& d) { return RateText(d.read_rate()); }});
  if (!is_wide) return columns;
  columns.push_back(
      {"sends", 7, [](const auto& d) { return RateText(d.sent_rate()); }});
  columns.push_back(
      {"gets", 7, [](const auto& d) { return RateText(d.received_rate()); }});
  columns.push_back({"rtt ms", 6, [](const auto& d) {
                       return OptionalNumber(d.has_round_trip_ms(),
                                             d.round_trip_ms());
                     }});
  columns.push_back({"load", 9, MachineLoadText});
  columns.push_back({"MHz", 5, [](const auto& d) {
                       return OptionalNumber(d.health().has_clock_mhz(),
                                             d.health().clock_mhz());
                     }});
  columns.push_back({"heat", 5, HeatText, HeatStyle});
  columns.push_back({"power", 6, PowerText, PowerStyle});
  return columns;
}

void AddRight(const std::string& text, int width, Style style,
              StyledLine& line) {
  line.PadTo(line.width() + std::max(0, width - ColumnsOf(text)));
  line.Add(text, style);
}

void AddCell(const Column& column, const std::string& text, Style style,
             StyledLine& line) {
  const int end = line.width() + column.width;
  if (column.is_left) {
    line.Add(text, style).PadTo(end);
  } else {
    AddRight(text, column.width, style, line);
  }
}

void AddMemory(const DeviceSnapshot& device, int bar_width,
               const TopScreen& screen, StyledLine& line) {
  const auto used = static_cast<double>(device.rss_bytes());
  const auto cap = static_cast<double>(device.budget_bytes());
  if (cap <= 0 || !device.has_report()) {
    line.PadTo(line.width() + bar_width + kMemoryWidth);
    return;
  }
  const int full = std::clamp(
      static_cast<int>(std::lround(bar_width * used / cap)), 0, bar_width);
  line.Add("[");
  for (int i = 0; i < bar_width; ++i) {
    line.Add(i < full ? screen.glyphs.full : screen.glyphs.empty,
             i < full ? Style::kMemory : Style::kFaint);
  }
  line.Add("]");
  AddRight(absl::StrCat(ShortBytes(used), "/", ShortBytes(cap)),
           kMemoryWidth - 2, used > cap ? Style::kError : Style::kPlain, line);
}

// The four parts in milliseconds.
void AddPartNumbers(const TimeParts& parts, StyledLine& line) {
  const std::pair<double, Style> numbers[] = {{parts.compute, Style::kCompute},
                                              {parts.disk, Style::kDisk},
                                              {parts.wire, Style::kWire},
                                              {parts.wait, Style::kWait}};
  for (const auto& [number, style] : numbers) {
    AddRight(parts.total() > 0 ? ShortNumber(number) : "-", kPartWidth, style,
             line);
  }
}

bool Passes(const TopState& state, const DeviceSnapshot& device) {
  return absl::StrContains(device.status().profile().name(), state.filter);
}

// How the table of devices is laid out.
struct TableLook {
  bool is_wide = false;
  std::vector<Column> columns;
  int memory_bar_width = 0;
  int memory_end = 0;  // a column of the screen
  int time_width = 0;
  double longest_ms = 0;  // what a full bar of time stands for
};

TableLook LookOf(const TopState& state, const TopScreen& screen) {
  TableLook look;
  look.is_wide = screen.width >= kWideScreen;
  look.memory_bar_width = look.is_wide ? kWideMemoryBarWidth : kMemoryBarWidth;
  uint64_t all_bytes = 0;
  for (const DeviceSnapshot& device : state.snapshot.devices()) {
    all_bytes += device.status().share_bytes();
    look.longest_ms = std::max(look.longest_ms, PartsOf(device).total());
  }
  look.columns = ColumnsFor(look.is_wide, all_bytes);
  look.memory_end = kNameWidth + 1 + look.memory_bar_width + kMemoryWidth;
  for (const Column& column : look.columns) {
    look.memory_end += 1 + column.width;
  }
  const int bar_begin =
      look.memory_end + (look.is_wide ? 4 * kPartWidth : 0) + 1;
  look.time_width = std::min(screen.width - bar_begin,
                             look.is_wide ? kTimeBarMax : kTimeBarMin);
  return look;
}

StyledLine DeviceHeading(const TableLook& look) {
  StyledLine line;
  line.Add("device", Style::kFaint).PadTo(kNameWidth);
  for (const Column& column : look.columns) {
    line.Add(" ", Style::kFaint);
    AddCell(column, column.heading, Style::kFaint, line);
  }
  line.Add(" memory used/cap", Style::kFaint).PadTo(look.memory_end);
  if (look.is_wide) {
    for (const char* const part : {"comp", "disk", "wire", "wait"}) {
      AddRight(part, kPartWidth, Style::kFaint, line);
    }
  }
  return line.Add(look.is_wide ? " ms of a token" : " of a token",
                  Style::kFaint);
}

StyledLine DeviceLine(const DeviceSnapshot& device, bool is_selected,
                      const TableLook& look, const TopScreen& screen) {
  StyledLine line;
  if (is_selected) line.Add(">", Style::kWarning);
  line.Add(AsciiOf(device.status().profile().name()), Style::kTitle)
      .CutTo(kNameWidth)
      .PadTo(kNameWidth);
  for (const Column& column : look.columns) {
    line.Add(" ");
    AddCell(column, column.text(device),
            column.style ? column.style(device) : Style::kPlain, line);
  }
  line.Add(" ");
  AddMemory(device, look.memory_bar_width, screen, line);
  const TimeParts parts = PartsOf(device);
  if (look.is_wide) AddPartNumbers(parts, line);
  line.Add(" ");
  AddTimeBar(parts, look.longest_ms, look.time_width, screen.glyphs, line);
  return line;
}

// "layers 0-11", "head".
std::string StageName(const proto::Plan& plan, int stage) {
  if (stage + 1 == plan.stages_size()) return "head";
  return absl::StrCat("layers ", plan.stages(stage).layer_begin(), "-",
                      plan.stages(stage).layer_end() - 1);
}

}  // namespace

void AddTimeBar(const TimeParts& parts, double full_ms, int columns,
                const Glyphs& glyphs, StyledLine& line) {
  const std::pair<double, std::pair<const std::string*, Style>> kinds[] = {
      {parts.compute, {&glyphs.full, Style::kCompute}},
      {parts.disk, {&glyphs.disk, Style::kDisk}},
      {parts.wire, {&glyphs.wire, Style::kWire}},
      {parts.wait, {&glyphs.wait, Style::kWait}}};
  int drawn = 0;
  double sum_ms = 0;
  for (const auto& [given_ms, look] : kinds) {
    const double ms = Sane(given_ms);
    if (!(full_ms > 0) || ms == 0) continue;
    sum_ms += ms;
    int end = std::min(
        columns, static_cast<int>(std::lround(columns * sum_ms / full_ms)));
    if (end <= drawn) end = std::min(columns, drawn + 1);
    for (; drawn < end; ++drawn) line.Add(*look.first, look.second);
  }
  for (; drawn < columns; ++drawn) line.Add(glyphs.empty, Style::kFaint);
}

std::vector<StyledLine> DeviceLines(const TopState& state,
                                    const TopScreen& screen, int line_max) {
  std::vector<StyledLine> lines;
  if (line_max < 2) return lines;
  const TableLook look = LookOf(state, screen);
  lines.push_back(DeviceHeading(look));
  int missing = 0;
  for (const DeviceSnapshot& device : state.snapshot.devices()) {
    if (!Passes(state, device)) continue;
    if (static_cast<int>(lines.size()) >= line_max) {
      ++missing;
      continue;
    }
    lines.push_back(
        DeviceLine(device, device.status().profile().name() == state.selected,
                   look, screen));
  }
  if (missing == 0) return lines;
  lines.back() = StyledLine().Add(
      absl::StrCat("and ", missing + 1, " more; f shows some of them"),
      Style::kWarning);
  return lines;
}

std::vector<StyledLine> GridLines(const proto::FleetSnapshot& snapshot,
                                  const TopScreen& screen, int line_max) {
  std::vector<StyledLine> lines;
  if (!snapshot.has_plan() || snapshot.plan().stages().empty()) return lines;
  const proto::Plan& plan = snapshot.plan();
  constexpr int kStageWidth = 14;
  constexpr int kCellMin = 7;
  const int rank_count = plan.device_names_size();
  const int cell_width =
      std::clamp((screen.width - kStageWidth) / std::max(1, rank_count),
                 kCellMin, kNameWidth + 1);
  const int shown =
      std::min(rank_count, (screen.width - kStageWidth) / cell_width);
  StyledLine heading;
  heading.Add("plan", Style::kFaint).PadTo(kStageWidth);
  for (int rank = 0; rank < shown; ++rank) {
    const std::string name = AsciiOf(plan.device_names(rank));
    AddRight(name.substr(0, static_cast<size_t>(cell_width) - 1), cell_width,
             Style::kFaint, heading);
  }
  lines.push_back(heading);
  for (int stage = 0; stage < plan.stages_size(); ++stage) {
    if (static_cast<int>(lines.size()) == line_max) {
      lines.back() = StyledLine().Add(
          absl::StrCat("and ", plan.stages_size() - stage + 1, " more stages"),
          Style::kWarning);
      break;
    }
    StyledLine line;
    line.Add(StageName(plan, stage)).PadTo(kStageWidth);
    std::vector<const proto::PlanCell*> cells(static_cast<size_t>(rank_count));
    for (const proto::PlanCell& cell : snapshot.cells()) {
      if (cell.stage() == static_cast<uint32_t>(stage) &&
          cell.rank() < cells.size()) {
        cells[cell.rank()] = &cell;
      }
    }
    for (int rank = 0; rank < shown; ++rank) {
      const proto::PlanCell* const cell = cells[static_cast<size_t>(rank)];
      if (cell == nullptr) {
        AddRight("-", cell_width, Style::kFaint, line);
        continue;
      }
      AddRight(absl::StrFormat("%s%s%.0f%%", cell->is_slowest() ? "!" : "",
                               cell->is_hub() ? "*" : "", 100 * cell->share()),
               cell_width, cell->is_slowest() ? Style::kWarning : Style::kPlain,
               line);
    }
    if (stage == 0) {
      StyledLine with_legend = line;
      with_legend.Add("   * hub, ! the others wait for it", Style::kFaint);
      if (with_legend.width() <= screen.width) line = with_legend;
    }
    lines.push_back(line);
  }
  return lines;
}

}  // namespace shoal::cli

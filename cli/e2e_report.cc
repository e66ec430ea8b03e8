#include "cli/e2e_report.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/byte_size.h"
#include "cli/json_report.h"
#include "cli/table.h"

namespace shoal::cli {
namespace {

using nlohmann::json;
using parallel::RankReport;

std::string Bytes(double bytes) {
  return base::FormatByteSize(static_cast<uint64_t>(bytes));
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

std::string SystemLine(const E2eReport& report) {
  const E2eSystem& system = report.system;
  return absl::StrCat(
      "shoal ", system.version, ", ", system.system, ", ",
      system.processor.empty() ? "unknown processor" : system.processor, ", ",
      system.core_count, " cores, ", base::FormatByteSize(system.memory_bytes));
}

std::string ModelLine(const E2eReport& report) {
  return absl::StrCat(
      report.model.name, ", ", base::FormatByteSize(report.model.bytes), " (",
      report.model.weights, "), context of ", report.context_positions);
}

std::string HowLine(const E2eReport& report) {
  return absl::StrCat("prompt of ", report.prompt_tokens, " tokens, ",
                      report.generated_tokens, " generated, median of ",
                      report.runs, " runs, links: ", report.link);
}

// What a fleet sends for a token, all devices together.
double SentPerToken(const E2eRow& row) {
  double sent = 0;
  for (const RankReport& device : row.devices) {
    sent += PerPass(device.sent_bytes, device);
  }
  return sent;
}

double ReadPerToken(const E2eRow& row) {
  double read = 0;
  for (const RankReport& device : row.devices) {
    read += PerPass(device.decode_read_bytes, device);
  }
  return read;
}

uint64_t PeakOf(const E2eRow& row) {
  uint64_t peak = 0;
  for (const RankReport& device : row.devices) {
    peak = std::max(peak, device.peak_rss_bytes);
  }
  return peak;
}

std::vector<std::string> FleetCells(const E2eRow& row) {
  if (!row.error.empty()) return {row.fleet, row.error, "", "", "", "", "", ""};
  return {row.fleet,
          absl::StrFormat("%.1f", row.prompt_tokens_per_second),
          absl::StrFormat("%.2f", row.tokens_per_second),
          absl::StrFormat("%.0f%%", 100 * row.spread),
          absl::StrFormat("%.0f ms",
                          absl::ToDoubleMilliseconds(row.time_to_first_token)),
          base::FormatByteSize(PeakOf(row)),
          Bytes(ReadPerToken(row)),
          Bytes(SentPerToken(row))};
}

constexpr std::array kFleetHead = {"fleet",      "prompt tok/s", "tok/s",
                                   "spread",     "first token",  "peak memory",
                                   "read/token", "sent/token"};

std::vector<std::string> DeviceCells(const E2eRow& row,
                                     const RankReport& device) {
  const auto ms = [&](absl::Duration total) {
    return absl::StrFormat("%.1f", MillisecondsPerPass(total, device));
  };
  return {row.fleet,
          device.name,
          absl::StrCat(device.threads, " x ", device.isa),
          base::FormatByteSize(device.share_bytes),
          base::FormatByteSize(device.resident_bytes),
          base::FormatByteSize(device.peak_rss_bytes),
          ms(device.compute),
          ms(device.stall),
          ms(device.exchange),
          ms(device.wait)};
}

constexpr std::array kDeviceHead = {
    "fleet",       "device",      "threads",        "weights",  "in memory",
    "peak memory", "computes ms", "waits for disk", "exchange", "waits"};

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

template <typename Cells>
std::string HtmlRow(const Cells& cells, const char* tag) {
  std::string row = "<tr>";
  for (const auto& cell : cells) {
    absl::StrAppend(&row, "<", tag, ">", Escaped(cell), "</", tag, ">");
  }
  return row + "</tr>\n";
}

// One bar for each row that has figures, the longest as wide as the plot.
template <typename Value>
std::string HtmlBars(const E2eReport& report, absl::string_view title,
                     Value value) {
  constexpr int kBarHeight = 22;
  constexpr int kLabelWidth = 200;
  constexpr int kBarWidth = 400;
  double largest = 0;
  for (const E2eRow& row : report.rows) largest = std::max(largest, value(row));
  if (largest <= 0) return "";
  std::string bars;
  int y = 0;
  for (const E2eRow& row : report.rows) {
    if (!row.error.empty()) continue;
    const double width = kBarWidth * value(row) / largest;
    absl::StrAppendFormat(
        &bars,
        "<text x=\"0\" y=\"%d\">%s</text><rect x=\"%d\" y=\"%d\" "
        "width=\"%.1f\" height=\"%d\"/><text x=\"%.1f\" y=\"%d\">%.2f</text>\n",
        y + 16, Escaped(row.fleet), kLabelWidth, y + 3, width, kBarHeight - 6,
        kLabelWidth + width + 6, y + 16, value(row));
    y += kBarHeight;
  }
  return absl::StrFormat(
      "<h2>%s</h2><svg role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %d %d\">\n"
      "%s</svg>\n",
      title, title, kLabelWidth + kBarWidth + 80, y, bars);
}

constexpr absl::string_view kStyle =
    "body{font:16px/1.4 system-ui,sans-serif;max-width:64em;margin:2em auto;"
    "padding:0 1em;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.2em .7em;text-align:left;border-bottom:1px solid #8888}"
    "svg{width:100%;max-width:44em;font-size:14px;fill:currentColor}"
    "rect{fill:#2a78b8}h2{font-size:1.1em;margin:1.5em 0 .3em}";

}  // namespace

std::string E2eText(const E2eReport& report) {
  std::string text =
      absl::StrCat(SystemLine(report), "\n", ModelLine(report), "\n",
                   HowLine(report), "; ", TimeText(report.time), "\n\n");
  Table fleets({kFleetHead.begin(), kFleetHead.end()});
  for (size_t column = 1; column < kFleetHead.size(); ++column) {
    fleets.AlignRight(column);
  }
  Table devices({kDeviceHead.begin(), kDeviceHead.end()});
  for (size_t column = 3; column < kDeviceHead.size(); ++column) {
    devices.AlignRight(column);
  }
  std::string errors;
  for (const E2eRow& row : report.rows) {
    if (!row.error.empty()) {
      absl::StrAppend(&errors, row.fleet, ": ", row.error, "\n");
      continue;
    }
    fleets.AddRow(FleetCells(row));
    for (const RankReport& device : row.devices) {
      devices.AddRow(DeviceCells(row, device));
    }
  }
  absl::StrAppend(&text, fleets.Text(), errors, "\n", devices.Text());
  return text;
}

json E2eJson(const E2eReport& report) {
  json rows = json::array();
  for (const E2eRow& row : report.rows) {
    json devices = json::array();
    for (const RankReport& device : row.devices) {
      devices.push_back(
          {{"name", device.name},
           {"isa", device.isa},
           {"threads", device.threads},
           {"share_bytes", device.share_bytes},
           {"resident_bytes", device.resident_bytes},
           {"budget_bytes", device.budget_bytes},
           {"peak_rss_bytes", device.peak_rss_bytes},
           {"read_bytes_per_token", PerPass(device.decode_read_bytes, device)},
           {"sent_bytes_per_token", PerPass(device.sent_bytes, device)},
           {"received_bytes_per_token", PerPass(device.received_bytes, device)},
           {"compute_ms", MillisecondsPerPass(device.compute, device)},
           {"stall_ms", MillisecondsPerPass(device.stall, device)},
           {"exchange_ms", MillisecondsPerPass(device.exchange, device)},
           {"wait_ms", MillisecondsPerPass(device.wait, device)}});
    }
    json object = {{"fleet", row.fleet}, {"devices", devices}};
    if (row.error.empty()) {
      object["prompt_tokens_per_second"] = row.prompt_tokens_per_second;
      object["tokens_per_second"] = row.tokens_per_second;
      object["spread"] = row.spread;
      object["time_to_first_token_ms"] =
          absl::ToDoubleMilliseconds(row.time_to_first_token);
    } else {
      object["error"] = row.error;
    }
    rows.push_back(std::move(object));
  }
  return {{"time", absl::FormatTime(absl::RFC3339_sec, report.time,
                                    absl::UTCTimeZone())},
          {"system",
           {{"version", report.system.version},
            {"system", report.system.system},
            {"processor", report.system.processor},
            {"cores", report.system.core_count},
            {"memory_bytes", report.system.memory_bytes}}},
          {"model",
           {{"name", report.model.name},
            {"weights", report.model.weights},
            {"bytes", report.model.bytes}}},
          {"link", report.link},
          {"prompt_tokens", report.prompt_tokens},
          {"generated_tokens", report.generated_tokens},
          {"context_positions", report.context_positions},
          {"runs", report.runs},
          {"rows", rows}};
}

std::string E2eHtml(const E2eReport& report) {
  std::string fleets = HtmlRow(kFleetHead, "th");
  std::string devices = HtmlRow(kDeviceHead, "th");
  for (const E2eRow& row : report.rows) {
    fleets += HtmlRow(FleetCells(row), "td");
    for (const RankReport& device : row.devices) {
      devices += HtmlRow(DeviceCells(row, device), "td");
    }
  }
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<title>Shoal: ",
      Escaped(report.model.name), "</title>\n<style>", kStyle, "</style>\n<h1>",
      Escaped(report.model.name), "</h1>\n<p>", Escaped(SystemLine(report)),
      "<br>", Escaped(ModelLine(report)), "<br>", Escaped(HowLine(report)),
      "<br>", TimeText(report.time), "</p>\n",
      HtmlBars(report, "Tokens per second",
               [](const E2eRow& row) { return row.tokens_per_second; }),
      HtmlBars(report, "Prompt tokens per second",
               [](const E2eRow& row) { return row.prompt_tokens_per_second; }),
      HtmlBars(report, "Peak memory of a device, MiB",
               [](const E2eRow& row) {
                 return static_cast<double>(PeakOf(row)) / base::kMiB;
               }),
      "<table>\n", fleets, "</table>\n<h2>Of each token, in ms</h2><table>\n",
      devices, "</table>\n</html>\n");
}

}  // namespace shoal::cli

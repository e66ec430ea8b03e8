#include "cli/explain_text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/byte_size.h"
#include "cli/table.h"

namespace shoal::cli {
namespace {

using nlohmann::json;
using parallel::Bottleneck;
using parallel::DeviceCost;
using parallel::Diagnosis;
using parallel::Remedy;
using parallel::TokenModel;

std::string Milliseconds(absl::Duration time) {
  return absl::StrFormat("%.1f", absl::ToDoubleMilliseconds(time));
}

std::string Bytes(double bytes) {
  return base::FormatByteSize(static_cast<uint64_t>(bytes));
}

absl::string_view NameOf(Bottleneck cause) {
  switch (cause) {
    case Bottleneck::kProcessor:
      return "processor";
    case Bottleneck::kDisk:
      return "disk";
    case Bottleneck::kMemory:
      return "memory";
    case Bottleneck::kLink:
      return "link";
  }
  return "";
}

absl::string_view NameOf(Remedy::Kind kind) {
  switch (kind) {
    case Remedy::Kind::kMemory:
      return "memory";
    case Remedy::Kind::kShares:
      return "shares";
    case Remedy::Kind::kWithout:
      return "without";
    case Remedy::Kind::kLink:
      return "link";
  }
  return "";
}

// Where the words of the remedy go.
std::string HowTo(const TokenModel& model, const Diagnosis& diagnosis,
                  const Remedy& remedy) {
  if (remedy.flags.empty()) return "";
  if (remedy.kind != Remedy::Kind::kMemory) {
    return absl::StrCat("start the fleet with ", remedy.flags,
                        ", or set share of each device in the cluster file");
  }
  const DeviceCost& device = model.cost().devices[diagnosis.rank];
  const absl::string_view size =
      absl::string_view(remedy.flags).substr(remedy.flags.find(' ') + 1);
  return absl::StrCat("start ", device.name, " with ", remedy.flags,
                      ", or set its ram_cap: \"", size,
                      "\" in the cluster file");
}

std::string DeviceTable(const TokenModel& model) {
  Table table({"device", "share", "compute", "disk stall", "exchange", "waits",
               "awaited", "reads", "at", "in memory"});
  for (size_t column = 1; column < 10; ++column) table.AlignRight(column);
  for (uint32_t r = 0; r < model.cost().devices.size(); ++r) {
    const DeviceCost& device = model.cost().devices[r];
    const bool reads = device.read_bytes > 0;
    table.AddRow(
        {device.name, absl::StrFormat("%.0f%%", 100 * model.shares()[r]),
         Milliseconds(device.compute), Milliseconds(device.stall),
         Milliseconds(device.exchange), Milliseconds(device.wait),
         Milliseconds(device.awaited), reads ? Bytes(device.read_bytes) : "-",
         reads ? absl::StrCat(Bytes(model.ReadRate(r)), "/s") : "-",
         base::FormatByteSize(device.resident_bytes)});
  }
  return table.Text();
}

}  // namespace

std::string ExplainText(const TokenModel& model, const Diagnosis& diagnosis,
                        uint64_t tokens, const BestSingleDevice& single) {
  const double measured = absl::ToDoubleMilliseconds(model.measured());
  std::string text = absl::StrFormat(
      "%.1f ms a token (%.2f tokens/s), the mean of %d; of each token, in "
      "ms:\n",
      measured, 1000 / measured, tokens);
  absl::StrAppend(&text, DeviceTable(model), "\nbottleneck: ", diagnosis.why,
                  "\n");
  if (diagnosis.remedies.empty()) {
    absl::StrAppend(&text,
                    "nothing else that the devices could do would gain 5 % or "
                    "more\n");
  }
  size_t number = 0;
  for (const Remedy& remedy : diagnosis.remedies) {
    absl::StrAppendFormat(&text, "%d. %s: %.0f -> %.0f ms/token\n", ++number,
                          remedy.what, measured,
                          absl::ToDoubleMilliseconds(remedy.predicted));
    const std::string how = HowTo(model, diagnosis, remedy);
    if (!how.empty()) absl::StrAppend(&text, "   ", how, "\n");
  }
  if (!single.name.empty() && single.predicted < model.measured()) {
    absl::StrAppendFormat(
        &text, "%s alone is expected to take %.1f ms a token: less than all\n",
        single.name, absl::ToDoubleMilliseconds(single.predicted));
  }
  return text;
}

json ExplainJson(const TokenModel& model, const Diagnosis& diagnosis,
                 uint64_t tokens, const BestSingleDevice& single) {
  json devices = json::array();
  for (uint32_t r = 0; r < model.cost().devices.size(); ++r) {
    const DeviceCost& device = model.cost().devices[r];
    devices.push_back(
        {{"name", device.name},
         {"rank", r},
         {"share", model.shares()[r]},
         {"compute_ms", absl::ToDoubleMilliseconds(device.compute)},
         {"stall_ms", absl::ToDoubleMilliseconds(device.stall)},
         {"exchange_ms", absl::ToDoubleMilliseconds(device.exchange)},
         {"wait_ms", absl::ToDoubleMilliseconds(device.wait)},
         {"awaited_ms", absl::ToDoubleMilliseconds(device.awaited)},
         {"wire_ms", absl::ToDoubleMilliseconds(model.WireTime(r))},
         {"read_bytes", device.read_bytes},
         {"read_bytes_per_second", model.ReadRate(r)},
         {"share_bytes", device.share_bytes},
         {"resident_bytes", device.resident_bytes},
         {"budget_bytes", device.budget_bytes}});
  }
  json remedies = json::array();
  for (const Remedy& remedy : diagnosis.remedies) {
    remedies.push_back({{"kind", NameOf(remedy.kind)},
                        {"what", remedy.what},
                        {"flags", remedy.flags},
                        {"predicted_ms_per_token",
                         absl::ToDoubleMilliseconds(remedy.predicted)}});
  }
  json object = {{"tokens", tokens},
                 {"ms_per_token", absl::ToDoubleMilliseconds(model.measured())},
                 {"bottleneck",
                  {{"device", model.cost().devices[diagnosis.rank].name},
                   {"rank", diagnosis.rank},
                   {"cause", NameOf(diagnosis.cause)},
                   {"why", diagnosis.why}}},
                 {"remedies", remedies},
                 {"devices", devices}};
  if (!single.name.empty()) {
    object["best_single_device"] = {
        {"name", single.name},
        {"predicted_ms_per_token",
         absl::ToDoubleMilliseconds(single.predicted)}};
  }
  return object;
}

}  // namespace shoal::cli

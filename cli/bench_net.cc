#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/bench_fleet.h"
#include "cli/bench_verbs.h"
#include "cli/flag_values.h"
#include "cli/table.h"
#include "nlohmann/json.hpp"
#include "transport/ping.h"

namespace shoal::cli {
namespace {

using transport::PingEnd;

constexpr uint32_t kSizes[] = {1 << 10,  2 << 10,  4 << 10, 8 << 10,
                               16 << 10, 32 << 10, 64 << 10};
// Each size is measured in turns, so that what else the machine does falls on
// all alike.
constexpr uint32_t kTurns = 20;

struct BenchNetFlags {
  uint32_t count = 2000;
  bool sleeps = false;
  bool json = false;
  std::string peer;  // a child
};

struct Row {
  const char* transport;
  uint32_t bytes;
  Spread channel;
  Spread bare;
};

BenchFleet::Options FleetOptions(const BenchNetFlags& flags) {
  BenchFleet::Options options;
  options.arguments = {"bench", "net", "--count", absl::StrCat(flags.count)};
  if (flags.sleeps) options.arguments.push_back("--no-polling");
  options.payload_bytes_max = kSizes[std::size(kSizes) - 1];
  options.polls = !flags.sleeps;
  return options;
}

// The child: the same turns from the other end.
absl::Status Answer(const BenchNetFlags& flags) {
  BenchFleet fleet(FleetOptions(flags));
  SHOAL_RETURN_IF_ERROR(fleet.Join(flags.peer));
  for (const parallel::Transport transport : kTransports) {
    const auto channel = transport::PingOver(fleet.channels(transport).To(0));
    for (const uint32_t bytes : kSizes) {
      for (uint32_t turn = 0; turn <= kTurns; ++turn) {
        for (PingEnd* end : {channel.get(), &fleet.bare(transport)}) {
          SHOAL_RETURN_IF_ERROR(
              transport::Echo(*end, bytes, flags.count / kTurns));
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Row> MeasureRow(BenchFleet& fleet, parallel::Transport transport,
                               uint32_t bytes, uint32_t count) {
  const auto over = transport::PingOver(fleet.channels(transport).To(1));
  std::vector<absl::Duration> channel;
  std::vector<absl::Duration> bare;
  for (uint32_t turn = 0; turn <= kTurns; ++turn) {
    if (turn == 1) {  // the first one warms up
      channel.clear();
      bare.clear();
    }
    SHOAL_RETURN_IF_ERROR(
        transport::Ping(*over, bytes, count / kTurns, channel));
    SHOAL_RETURN_IF_ERROR(
        transport::Ping(fleet.bare(transport), bytes, count / kTurns, bare));
  }
  return Row{NameOf(transport), bytes, SpreadOf(std::move(channel)),
             SpreadOf(std::move(bare))};
}

absl::StatusOr<std::vector<Row>> Measure(const BenchNetFlags& flags) {
  BenchFleet fleet(FleetOptions(flags));
  SHOAL_RETURN_IF_ERROR(fleet.Start());
  std::vector<Row> rows;
  for (const parallel::Transport transport : kTransports) {
    for (const uint32_t bytes : kSizes) {
      SHOAL_ASSIGN_OR_RETURN(const Row row,
                             MeasureRow(fleet, transport, bytes, flags.count));
      rows.push_back(row);
    }
  }
  return rows;
}

double Us(absl::Duration time) { return absl::ToDoubleMicroseconds(time); }

void PrintJson(const std::vector<Row>& rows) {
  nlohmann::json json = nlohmann::json::array();
  for (const Row& row : rows) {
    json.push_back(
        {{"transport", row.transport},
         {"bytes", row.bytes},
         {"median_us", Us(row.channel.median)},
         {"p99_us", Us(row.channel.p99)},
         {"bare_median_us", Us(row.bare.median)},
         {"bare_p99_us", Us(row.bare.p99)},
         {"ratio", absl::FDivDuration(row.channel.median, row.bare.median)}});
  }
  std::printf("%s\n", nlohmann::json({{"round_trips", json}}).dump(2).c_str());
}

void PrintText(const std::vector<Row>& rows) {
  Table table({"transport", "each way", "median us", "p99 us", "bare median",
               "bare p99", "ratio"});
  for (size_t c = 1; c < 7; ++c) table.AlignRight(c);
  const auto us = [](absl::Duration time) {
    return absl::StrFormat("%.1f", Us(time));
  };
  for (const Row& row : rows) {
    table.AddRow(
        {row.transport, base::FormatByteSize(row.bytes), us(row.channel.median),
         us(row.channel.p99), us(row.bare.median), us(row.bare.p99),
         absl::StrFormat(
             "%.2f", absl::FDivDuration(row.channel.median, row.bare.median))});
  }
  std::printf("Round trips between two processes on this machine:\n%s",
              table.Text().c_str());
}

absl::Status BenchNet(const BenchNetFlags& flags) {
  if (!flags.peer.empty()) return Answer(flags);
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> rows, Measure(flags));
  if (flags.json) {
    PrintJson(rows);
  } else {
    PrintText(rows);
  }
  return absl::OkStatus();
}

}  // namespace

void AddBenchNetVerb(Command& bench) {
  Command& verb = bench.AddVerb(
      "net", "What a message between two devices costs beside a bare socket");
  auto flags = std::make_shared<BenchNetFlags>();
  verb.AddFlag({.names = "--count",
                .value = "N",
                .help = "Round trips of each size (2000)"},
               SetUint(&flags->count, kTurns, 10'000'000));
  verb.AddSwitch({.names = "--no-polling",
                  .help = "Let both ends sleep, the bare TCP socket's too"},
                 &flags->sleeps);
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.AddFlag({.names = "--peer",
                .value = "ENDPOINTS",
                .help = "Set for the process that it starts",
                .hidden = true},
               SetText(&flags->peer));
  verb.SetDetails(
      "Starts a second process and sends messages there and back over each\n"
      "transport, in turns with a socket of the same kind that neither frames\n"
      "nor checks. The machine should have nothing else to do.");
  verb.SetRunner([flags] { return BenchNet(*flags); });
}

}  // namespace shoal::cli

#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/bench_fleet.h"
#include "cli/bench_verbs.h"
#include "cli/flag_values.h"
#include "cli/table.h"
#include "kernels/kernel_table.h"
#include "model/phase_input.h"
#include "nlohmann/json.hpp"
#include "parallel/pieces.h"
#include "parallel/reduce.h"
#include "transport/ping.h"

namespace shoal::cli {
namespace {

using parallel::Payload;
using transport::ChannelGroup;
using transport::FrameType;

// Bytes of one token's partial sum.
constexpr uint32_t kSizes[] = {1 << 10,  2 << 10,  4 << 10, 8 << 10,
                               16 << 10, 32 << 10, 64 << 10};
constexpr uint32_t kTurns = 20;
constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr uint32_t kRanksMax = 16;

struct BenchAllreduceFlags {
  uint32_t count = 2000;
  uint32_t ranks = 2;
  bool f64 = false;
  bool json = false;
  std::string peer;  // a child

  Payload payload() const { return f64 ? Payload::kF64 : Payload::kF32; }
};

struct Row {
  const char* transport;
  uint32_t bytes;
  Spread exchange;
  Spread sealed;  // the same over encrypted links
  Spread bare;

  double ratio() const {
    return absl::FDivDuration(exchange.median, bare.median);
  }
  double sealed_ratio() const {
    return absl::FDivDuration(sealed.median, exchange.median);
  }
};

model::PhaseShape ShapeOf(uint32_t hidden) {
  model::InputShape input;
  input.cols = hidden;
  input.encodings.a8 = true;
  return {input};
}

// What a fused star does between two matrix products, without the products.
class Star {
 public:
  Star(ChannelGroup& channels, uint32_t bytes, Payload payload)
      : channels_(channels),
        payload_(payload),
        hidden_(bytes / parallel::BytesOf(payload)),
        shape_(ShapeOf(hidden_)),
        input_(std::span(&shape_, 1), 1),
        residual_(hidden_),
        normed_(hidden_),
        sum_(bytes) {
    for (const uint32_t peer : channels.peers()) {
      targets_.push_back(&channels.To(peer));
    }
    parts_.resize(targets_.size() + 1);
    input_.Begin(shape_, 1);
  }

  // Rank 0: norms and encodes the residual, sends it, and adds what comes back.
  absl::Status Exchange(const kernels::KernelTable& kernels, uint64_t pass) {
    kernels.rms_norm(residual_.data(), nullptr, hidden_, 1e-5f, normed_.data());
    input_.EncodeToken(kernels, 0, normed_.data(), 0);
    const uint64_t row = model::PhaseInput::WireBytes(shape_, 1);
    SHOAL_RETURN_IF_ERROR(parallel::SendBlock(
        targets_, {pass, 0, 0, FrameType::kInput}, 1, row, scratch_, kTimeout,
        [&](uint32_t begin, uint32_t count, std::span<std::byte> to) {
          input_.Write(begin, count, to);
        }));
    parts_[0] = sum_.data();
    for (size_t i = 0; i < targets_.size(); ++i) {
      SHOAL_ASSIGN_OR_RETURN(
          const auto bytes, parallel::ReceivePiece(
                                *targets_[i], {pass, 0, 0, FrameType::kPartial},
                                0, 1, sum_.size(), kTimeout));
      parts_[i + 1] = bytes.data();
    }
    parallel::AddParts(payload_, parts_, {}, residual_);
    return absl::OkStatus();
  }

  // The other ranks.
  absl::Status Answer(uint64_t pass) {
    const uint64_t row = model::PhaseInput::WireBytes(shape_, 1);
    SHOAL_ASSIGN_OR_RETURN(
        const auto bytes,
        parallel::ReceivePiece(channels_.To(0), {pass, 0, 0, FrameType::kInput},
                               0, 1, row, kTimeout));
    if (!input_.Read(0, 1, bytes)) return absl::DataLossError("bad input");
    return parallel::SendBlock(targets_, {pass, 0, 0, FrameType::kPartial}, 1,
                               sum_.size(), sum_.data(), kTimeout);
  }

 private:
  ChannelGroup& channels_;
  const Payload payload_;
  const uint32_t hidden_;
  const model::PhaseShape shape_;
  model::PhaseInput input_;
  std::vector<float> residual_;
  std::vector<float> normed_;
  std::vector<std::byte> sum_;  // this rank's partial sum
  std::vector<std::byte> scratch_;
  std::vector<transport::Channel*> targets_;
  std::vector<const std::byte*> parts_;
};

BenchFleet::Options FleetOptions(const BenchAllreduceFlags& flags) {
  BenchFleet::Options options;
  options.arguments = {"bench",     "allreduce",
                       "--count",   absl::StrCat(flags.count),
                       "--ranks",   absl::StrCat(flags.ranks),
                       "--payload", flags.f64 ? "f64" : "f32"};
  options.rank_count = flags.ranks;
  options.payload_bytes_max = kSizes[std::size(kSizes) - 1];
  options.polls = flags.ranks <= std::thread::hardware_concurrency();
  options.seals = true;
  return options;
}

// The other ranks: the same turns from their end.
absl::Status AnswerAll(const BenchAllreduceFlags& flags) {
  BenchFleet fleet(FleetOptions(flags));
  SHOAL_RETURN_IF_ERROR(fleet.Join(flags.peer));
  const bool has_bare = fleet.has_bare();
  for (const parallel::Transport transport : kTransports) {
    for (const uint32_t bytes : kSizes) {
      Star open(fleet.channels(transport), bytes, flags.payload());
      Star sealed(fleet.channels(transport, true), bytes, flags.payload());
      for (uint32_t turn = 0; turn <= kTurns; ++turn) {
        for (Star* const star : {&open, &sealed}) {
          for (uint32_t i = 0; i < flags.count / kTurns; ++i) {
            SHOAL_RETURN_IF_ERROR(star->Answer(i));
          }
        }
        if (!has_bare) continue;
        SHOAL_RETURN_IF_ERROR(transport::Echo(fleet.bare(transport), bytes,
                                              flags.count / kTurns));
      }
    }
  }
  return fleet.Part();
}

absl::Status TimeExchanges(const kernels::KernelTable& kernels, Star& star,
                           uint32_t count, std::vector<absl::Duration>& times) {
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t begin = absl::GetCurrentTimeNanos();
    SHOAL_RETURN_IF_ERROR(star.Exchange(kernels, i));
    times.push_back(absl::Nanoseconds(absl::GetCurrentTimeNanos() - begin));
  }
  return absl::OkStatus();
}

absl::StatusOr<Row> MeasureRow(const kernels::KernelTable& kernels,
                               BenchFleet& fleet, parallel::Transport transport,
                               uint32_t bytes,
                               const BenchAllreduceFlags& flags) {
  Star open(fleet.channels(transport), bytes, flags.payload());
  Star sealed(fleet.channels(transport, true), bytes, flags.payload());
  std::vector<absl::Duration> open_times;
  std::vector<absl::Duration> sealed_times;
  std::vector<absl::Duration> bare_times;
  const uint32_t count = flags.count / kTurns;
  for (uint32_t turn = 0; turn <= kTurns; ++turn) {
    if (turn == 1) {  // the first one warms up
      open_times.clear();
      sealed_times.clear();
      bare_times.clear();
    }
    SHOAL_RETURN_IF_ERROR(TimeExchanges(kernels, open, count, open_times));
    SHOAL_RETURN_IF_ERROR(TimeExchanges(kernels, sealed, count, sealed_times));
    SHOAL_RETURN_IF_ERROR(
        transport::Ping(fleet.bare(transport), bytes, count, bare_times));
  }
  return Row{NameOf(transport), bytes, SpreadOf(std::move(open_times)),
             SpreadOf(std::move(sealed_times)),
             SpreadOf(std::move(bare_times))};
}

absl::StatusOr<std::vector<Row>> Measure(const BenchAllreduceFlags& flags) {
  SHOAL_ASSIGN_OR_RETURN(const kernels::KernelTable* kernels,
                         kernels::SelectKernels("auto"));
  BenchFleet fleet(FleetOptions(flags));
  SHOAL_RETURN_IF_ERROR(fleet.Start());
  std::vector<Row> rows;
  for (const parallel::Transport transport : kTransports) {
    for (const uint32_t bytes : kSizes) {
      SHOAL_ASSIGN_OR_RETURN(
          const Row row, MeasureRow(*kernels, fleet, transport, bytes, flags));
      rows.push_back(row);
    }
  }
  SHOAL_RETURN_IF_ERROR(fleet.Part());
  return rows;
}

double Us(absl::Duration time) { return absl::ToDoubleMicroseconds(time); }

void PrintJson(const std::vector<Row>& rows) {
  nlohmann::json json = nlohmann::json::array();
  for (const Row& row : rows) {
    json.push_back({{"transport", row.transport},
                    {"bytes", row.bytes},
                    {"median_us", Us(row.exchange.median)},
                    {"p99_us", Us(row.exchange.p99)},
                    {"bare_median_us", Us(row.bare.median)},
                    {"bare_p99_us", Us(row.bare.p99)},
                    {"ratio", row.ratio()},
                    {"sealed_median_us", Us(row.sealed.median)},
                    {"sealed_p99_us", Us(row.sealed.p99)},
                    {"sealed_ratio", row.sealed_ratio()}});
  }
  std::printf("%s\n", nlohmann::json({{"exchanges", json}}).dump(2).c_str());
}

void PrintText(const BenchAllreduceFlags& flags, const std::vector<Row>& rows) {
  Table table({"transport", "partial sum", "median us", "p99 us", "bare median",
               "bare p99", "ratio", "sealed median", "sealed p99",
               "sealed/open"});
  for (size_t c = 1; c < 10; ++c) table.AlignRight(c);
  const auto us = [](absl::Duration time) {
    return absl::StrFormat("%.1f", Us(time));
  };
  for (const Row& row : rows) {
    table.AddRow({row.transport, base::FormatByteSize(row.bytes),
                  us(row.exchange.median), us(row.exchange.p99),
                  us(row.bare.median), us(row.bare.p99),
                  absl::StrFormat("%.2f", row.ratio()), us(row.sealed.median),
                  us(row.sealed.p99),
                  absl::StrFormat("%.2f", row.sealed_ratio())});
  }
  std::printf(
      "Exchanges of a fused star of %u processes, beside a bare round "
      "trip of as much:\n%s",
      flags.ranks, table.Text().c_str());
}

absl::Status BenchAllreduce(const BenchAllreduceFlags& flags) {
  if (!flags.peer.empty()) return AnswerAll(flags);
  SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> rows, Measure(flags));
  if (flags.json) {
    PrintJson(rows);
  } else {
    PrintText(flags, rows);
  }
  return absl::OkStatus();
}

}  // namespace

void AddBenchAllreduceVerb(Command& bench) {
  Command& verb = bench.AddVerb(
      "allreduce", "What an exchange between devices costs, sums included");
  auto flags = std::make_shared<BenchAllreduceFlags>();
  verb.AddFlag({.names = "--count",
                .value = "N",
                .help = "Exchanges of each size (2000)"},
               SetUint(&flags->count, kTurns, 10'000'000));
  verb.AddFlag({.names = "--ranks", .value = "N", .help = "Processes (2)"},
               SetUint(&flags->ranks, 2, kRanksMax));
  static const Choices<bool> payloads = {{"f32", false}, {"f64", true}};
  verb.AddFlag({.names = "--payload",
                .value = "f32|f64",
                .help = "Partial sums (f32)",
                .choices = Words(payloads)},
               SetChoice(payloads, &flags->f64));
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.AddFlag({.names = "--peer",
                .value = "ENDPOINTS",
                .help = "Set for the processes that it starts",
                .hidden = true},
               SetText(&flags->peer));
  verb.SetDetails(
      "One exchange: the hub norms and encodes the residual and sends that,\n"
      "each other process sends a partial sum of one token, and the hub adds\n"
      "them onto the residual. In turns with round trips of as many bytes as\n"
      "the partial sum over a bare socket of the same kind, and with the same\n"
      "over sealed links: AES-GCM or ChaCha20-Poly1305 over tcp, CURVE over "
      "zmq.");
  verb.SetRunner([flags] { return BenchAllreduce(*flags); });
}

}  // namespace shoal::cli

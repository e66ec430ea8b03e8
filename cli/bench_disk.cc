#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/bench_verbs.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/store_root.h"
#include "cli/table.h"
#include "kernels/cpu_cores.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "nlohmann/json.hpp"
#include "worker/cpu_rates.h"
#include "worker/disk_meter.h"

namespace shoal::cli {
namespace {

using memory::IoEngine;
using worker::DiskCase;
using worker::DiskReading;

constexpr uint64_t kSizes[] = {
    64 * base::kKiB, 128 * base::kKiB, 256 * base::kKiB, 512 * base::kKiB,
    1 * base::kMiB,  2 * base::kMiB,   4 * base::kMiB,   8 * base::kMiB};
constexpr uint32_t kDepths[] = {1, 2, 4, 8};
constexpr uint64_t kMemoryBytes = 64 * base::kMiB;  // the largest of both

struct BenchDiskFlags {
  std::string store;
  std::string file;
  IoEngine io = IoEngine::kAuto;
  uint64_t file_bytes = 256 * base::kMiB;
  uint32_t threads = 0;
  absl::Duration time = absl::Milliseconds(100);
  bool json = false;
};

struct Row {
  std::string engine;
  DiskCase disk_case;
  DiskReading alone;
  DiskReading busy = {};  // while products run
};

struct Report {
  std::string path;
  uint32_t threads = 0;
  std::vector<std::string> refused;  // engines, with the reason
  std::vector<Row> rows;
};

// Products without end on a team of its own, as while a model computes.
class Load {
 public:
  static absl::StatusOr<std::unique_ptr<Load>> Start(uint32_t threads) {
    SHOAL_ASSIGN_OR_RETURN(const kernels::KernelTable* table,
                           kernels::SelectKernels("auto"));
    worker::CpuMeter::Options options;
    options.kernels = table;
    options.working_bytes = worker::WorkingBytesBeyondCaches();
    options.time = absl::Milliseconds(10);
    SHOAL_ASSIGN_OR_RETURN(auto meter, worker::CpuMeter::Create(options));
    return std::unique_ptr<Load>(new Load(std::move(meter), threads));
  }

  ~Load() {
    stopping_ = true;
    thread_.join();
  }

 private:
  Load(std::unique_ptr<worker::CpuMeter> meter, uint32_t threads)
      : meter_(std::move(meter)), thread_([this, threads] { Run(threads); }) {}

  void Run(uint32_t threads) {
    const auto team = kernels::ThreadTeam::Create(threads);
    worker::ProductCase product;
    product.type = kernels::WeightType::kQ4_0;
    product.rows = product.cols = 2048;
    while (!stopping_) meter_->MeasureProduct(*team, product);
  }

  const std::unique_ptr<worker::CpuMeter> meter_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

absl::Status MeasureEngine(const BenchDiskFlags& flags, IoEngine engine,
                           const InterruptWatcher& interrupt,
                           Progress& progress, Report& report) {
  worker::DiskMeter::Options options;
  options.directory = report.path;
  options.file = flags.file;
  options.file_bytes = flags.file_bytes;
  options.engine = engine;
  options.memory_bytes = kMemoryBytes;
  const auto meter = worker::DiskMeter::Create(options);
  if (absl::IsUnimplemented(meter.status())) {
    report.refused.push_back(
        absl::StrCat(WordOf(engine), ": ", meter.status().message()));
    return absl::OkStatus();
  }
  SHOAL_RETURN_IF_ERROR(meter.status());
  const size_t first = report.rows.size();
  for (const bool busy : {false, true}) {
    std::unique_ptr<Load> load;
    if (busy) {
      SHOAL_ASSIGN_OR_RETURN(load, Load::Start(report.threads));
    }
    size_t row = first;
    for (const uint64_t bytes : kSizes) {
      for (const uint32_t depth : kDepths) {
        if (interrupt.interrupted()) return absl::CancelledError("interrupted");
        progress.Draw(absl::StrCat((*meter)->engine(), ", ",
                                   base::FormatByteSize(bytes), " x ", depth,
                                   busy ? ", beside products" : ""));
        const DiskCase disk_case{.request_bytes = bytes, .depth = depth};
        SHOAL_ASSIGN_OR_RETURN(const DiskReading reading,
                               (*meter)->Measure(disk_case, flags.time));
        if (!busy) {
          report.rows.push_back({.engine = std::string((*meter)->engine()),
                                 .disk_case = disk_case,
                                 .alone = reading});
        } else {
          report.rows[row++].busy = reading;
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Report> Measure(const BenchDiskFlags& flags,
                               const InterruptWatcher& interrupt,
                               Progress& progress) {
  Report report;
  report.path = flags.file;
  if (report.path.empty()) {
    SHOAL_ASSIGN_OR_RETURN(report.path, StoreRoot(flags.store));
  }
  report.threads =
      flags.threads > 0
          ? flags.threads
          : static_cast<uint32_t>(kernels::ReadCpuCores().big.size());
  for (const auto& [word, engine] : IoChoices()) {
    if (engine == IoEngine::kAuto) continue;
    if (flags.io != IoEngine::kAuto && flags.io != engine) continue;
    SHOAL_RETURN_IF_ERROR(
        MeasureEngine(flags, engine, interrupt, progress, report));
  }
  if (report.rows.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("the system refuses ", report.refused[0]));
  }
  return report;
}

void PrintJson(const Report& report) {
  nlohmann::json json = {{"path", report.path},
                         {"threads", report.threads},
                         {"refused", report.refused},
                         {"rates", nlohmann::json::array()}};
  for (const Row& row : report.rows) {
    json["rates"].push_back(
        {{"engine", row.engine},
         {"request_bytes", row.disk_case.request_bytes},
         {"depth", row.disk_case.depth},
         {"bytes_per_second", row.alone.bytes_per_second},
         {"cores", row.alone.cores},
         {"busy_bytes_per_second", row.busy.bytes_per_second},
         {"busy_cores", row.busy.cores}});
  }
  std::printf("%s\n", json.dump(2).c_str());
}

void PrintText(const Report& report) {
  std::vector<std::string> head = {"engine", "request"};
  for (const char* when : {"alone x ", "busy x "}) {
    for (const uint32_t depth : kDepths) {
      head.push_back(absl::StrCat(when, depth));
    }
  }
  head.push_back("ms/GB");
  Table table(head);
  for (size_t c = 1; c < head.size(); ++c) table.AlignRight(c);
  const auto mega = [](const DiskReading& reading) {
    return absl::StrFormat("%.0f", reading.bytes_per_second * 1e-6);
  };
  constexpr size_t kGroup = std::size(kDepths);
  for (size_t i = 0; i + kGroup <= report.rows.size(); i += kGroup) {
    const Row* const rows = &report.rows[i];
    std::vector<std::string> cells = {
        rows[0].engine, base::FormatByteSize(rows[0].disk_case.request_bytes)};
    for (size_t d = 0; d < kGroup; ++d) cells.push_back(mega(rows[d].alone));
    for (size_t d = 0; d < kGroup; ++d) cells.push_back(mega(rows[d].busy));
    // At the depth that the window has.
    const DiskReading& two = rows[1].alone;
    cells.push_back(
        absl::StrFormat("%.1f", two.cores / two.bytes_per_second * 1e12));
    table.AddRow(std::move(cells));
  }
  std::printf(
      "MB/s from %s by requests in flight, alone and while %u threads\n"
      "compute; ms of CPU time for a GB at two requests:\n%s",
      report.path.c_str(), report.threads, table.Text().c_str());
  for (const std::string& refused : report.refused) {
    std::printf("refused: %s\n", refused.c_str());
  }
}

absl::Status BenchDisk(const BenchDiskFlags& flags) {
  InterruptWatcher interrupt;
  Progress progress;
  SHOAL_ASSIGN_OR_RETURN(const Report report,
                         Measure(flags, interrupt, progress));
  progress.Done();
  if (flags.json) {
    PrintJson(report);
  } else {
    PrintText(report);
  }
  return absl::OkStatus();
}

}  // namespace

void AddBenchDiskVerb(Command& bench) {
  Command& verb = bench.AddVerb(
      "disk", "How fast weights are read, by size and number of requests");
  auto flags = std::make_shared<BenchDiskFlags>();
  verb.AddFlag({.names = "--store",
                .value = "DIR",
                .help = "Folder on the disk to measure "
                        "(default: $XDG_CACHE_HOME/shoal/store)"},
               SetText(&flags->store));
  verb.AddFlag({.names = "--file",
                .value = "FILE",
                .help = "Read this file instead of one made for it"},
               SetText(&flags->file));
  verb.AddFlag({.names = "--size",
                .value = "SIZE",
                .help = "Of the file that is made, and removed (256MiB)"},
               SetBytes(&flags->file_bytes));
  verb.AddFlag({.names = "--io",
                .value = absl::StrJoin(Words(IoChoices()), "|"),
                .help = "Only this engine (auto: all)",
                .choices = Words(IoChoices())},
               SetChoice(IoChoices(), &flags->io));
  verb.AddFlag({.names = "--threads",
                .value = "N",
                .help = "Threads that compute beside it (big cores)"},
               SetUint(&flags->threads, 1, 256));
  verb.AddFlag(
      {.names = "--time", .value = "TIME", .help = "For each figure (100ms)"},
      SetDuration(&flags->time));
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.SetDetails(
      "Every engine that works here reads the file from beginning to end.\n"
      "Rates of a file that others have just read, and those of a small one,\n"
      "may be those of a cache.");
  verb.SetCheck([flags]() -> absl::Status {
    if (flags->file_bytes >= kSizes[std::size(kSizes) - 1]) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("--size is ", flags->file_bytes,
                     " bytes; at least 8MiB, the largest request, is needed"));
  });
  verb.SetRunner([flags] { return BenchDisk(*flags); });
}

}  // namespace shoal::cli

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/bench_verbs.h"
#include "cli/flag_values.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "kernels/cpu_cores.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "nlohmann/json.hpp"
#include "worker/cpu_rates.h"

namespace shoal::cli {
namespace {

using kernels::Encoding;
using kernels::WeightType;
using worker::CpuLimits;
using worker::LimitShare;
using worker::ProductCase;
using worker::ProductRate;

constexpr uint32_t kSideMax = 1 << 16;
constexpr uint32_t kTokensMax = 4096;
// Whole blocks of every type.
constexpr uint32_t kColsStep = 256;

struct Shape {
  uint32_t rows = 0;
  uint32_t cols = 0;
};

// More than that of a limit is no noise.
constexpr double kShareMax = 1.1;

struct BenchCpuFlags {
  std::string isa = "auto";
  uint32_t threads = 0;
  std::vector<WeightType> types;
  std::vector<Shape> shapes = {{2048, 2048}, {5632, 2048}};
  std::vector<uint32_t> tokens = {1, 4, 16, 64, 256};
  bool f32_activations = false;
  absl::Duration time = absl::Milliseconds(50);
  bool limits_only = false;
  bool json = false;
};

struct Measured {
  ProductCase product;
  ProductRate rate;
};

struct Report {
  std::string isa;
  std::vector<std::string> plain_types;  // measured ones without vector code
  std::string loops_isa;
  uint64_t working_bytes = 0;
  kernels::CpuCores cores;
  std::vector<CpuLimits> limits;  // the last: of the products' threads
  std::vector<Measured> products;
};

absl::Status SetTypes(const std::string& text, std::vector<WeightType>& to) {
  to.clear();
  const auto known = kernels::SupportedWeightTypes();
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const auto found =
        std::find_if(known.begin(), known.end(), [&](WeightType type) {
          return absl::AsciiStrToUpper(part) ==
                 absl::AsciiStrToUpper(kernels::InfoOf(type).name);
        });
    if (found == known.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "it must be some of ",
          absl::StrJoin(known, ",", [](std::string* out, WeightType type) {
            absl::StrAppend(out, kernels::InfoOf(type).name);
          })));
    }
    to.push_back(*found);
  }
  return absl::OkStatus();
}

absl::Status SetShapes(const std::string& text, std::vector<Shape>& to) {
  to.clear();
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<std::string> sides = absl::StrSplit(part, 'x');
    Shape shape;
    if (sides.size() != 2 || !absl::SimpleAtoi(sides[0], &shape.rows) ||
        !absl::SimpleAtoi(sides[1], &shape.cols) || shape.rows == 0 ||
        shape.rows > kSideMax || shape.cols == 0 || shape.cols > kSideMax ||
        shape.cols % kColsStep != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "it must be ROWSxCOLUMNS with commas, such as 2048x2048,5632x2048: "
          "at most ",
          kSideMax, " each, columns a multiple of ", kColsStep));
    }
    to.push_back(shape);
  }
  return absl::OkStatus();
}

absl::Status SetTokens(const std::string& text, std::vector<uint32_t>& to) {
  to.clear();
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    uint32_t count = 0;
    if (!absl::SimpleAtoi(part, &count) || count == 0 || count > kTokensMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "it must be counts from 1 to ", kTokensMax, ", such as 1,64"));
    }
    to.push_back(count);
  }
  return absl::OkStatus();
}

std::vector<ProductCase> CasesOf(const BenchCpuFlags& flags) {
  std::vector<WeightType> types = flags.types;
  if (types.empty()) {
    const auto all = kernels::SupportedWeightTypes();
    types.assign(all.begin(), all.end());
  }
  std::vector<ProductCase> cases;
  if (flags.limits_only) return cases;
  for (const WeightType type : types) {
    const Encoding encoding =
        flags.f32_activations ? Encoding::kF32 : kernels::InfoOf(type).encoding;
    for (const Shape& shape : flags.shapes) {
      for (const uint32_t tokens : flags.tokens) {
        cases.push_back({type, encoding, shape.rows, shape.cols, tokens});
      }
    }
  }
  return cases;
}

uint64_t LargestWeights(const std::vector<ProductCase>& cases) {
  uint64_t largest = 0;
  for (const ProductCase& c : cases) {
    largest =
        std::max(largest, kernels::BytesOf(c.type, uint64_t{c.rows} * c.cols));
  }
  return largest;
}

// 1, 2, 4 and so on below `threads`, then `threads`.
std::vector<uint32_t> ThreadCounts(uint32_t threads) {
  std::vector<uint32_t> counts;
  for (uint32_t count = 1; count < threads; count *= 2) counts.push_back(count);
  counts.push_back(threads);
  return counts;
}

// A second look may find a less disturbed machine.
void TakeLarger(const CpuLimits& from, CpuLimits& to) {
  to.read_bytes = std::max(to.read_bytes, from.read_bytes);
  to.sustained_read_bytes =
      std::max(to.sustained_read_bytes, from.sustained_read_bytes);
  to.integer_macs = std::max(to.integer_macs, from.integer_macs);
  to.float_macs = std::max(to.float_macs, from.float_macs);
}

// As a rank has it.
std::unique_ptr<kernels::ThreadTeam> TeamOf(uint32_t threads,
                                            const kernels::CpuCores& cores) {
  kernels::ThreadTeam::Options options;
  options.member_count = threads;
  options.cores = kernels::CoresFor(cores, threads);
  return kernels::ThreadTeam::Create(options);
}

absl::StatusOr<Report> Measure(const BenchCpuFlags& flags,
                               const InterruptWatcher& interrupt,
                               Progress& progress) {
  SHOAL_ASSIGN_OR_RETURN(const kernels::KernelTable* table,
                         kernels::SelectKernels(flags.isa));
  const std::vector<ProductCase> cases = CasesOf(flags);
  Report report;
  report.cores = kernels::ReadCpuCores();
  const uint32_t threads = flags.threads > 0
                               ? flags.threads
                               : static_cast<uint32_t>(report.cores.big.size());
  worker::CpuMeter::Options options;
  options.kernels = table;
  options.working_bytes =
      std::max(worker::WorkingBytesBeyondCaches(), LargestWeights(cases));
  options.time = flags.time;
  SHOAL_ASSIGN_OR_RETURN(const auto meter, worker::CpuMeter::Create(options));
  report.isa = std::string(table->isa);
  for (const WeightType type : table->plain_types) {
    if (std::any_of(cases.begin(), cases.end(),
                    [&](const ProductCase& c) { return c.type == type; })) {
      report.plain_types.emplace_back(kernels::InfoOf(type).name);
    }
  }
  report.loops_isa = std::string(meter->loops().isa);
  report.working_bytes = options.working_bytes;
  for (const uint32_t count : ThreadCounts(threads)) {
    if (interrupt.interrupted()) return report;
    progress.Draw(absl::StrCat("limits of ", count, " threads"));
    const auto team = TeamOf(count, report.cores);
    report.limits.push_back(meter->MeasureLimits(*team));
  }
  const auto team = TeamOf(threads, report.cores);
  const kernels::ThreadTeam::Pass awake(*team);
  for (const ProductCase& product : cases) {
    if (interrupt.interrupted()) return report;
    progress.Draw(absl::StrCat("product ", report.products.size() + 1, " of ",
                               cases.size(), ": ",
                               kernels::InfoOf(product.type).name));
    report.products.push_back({product, meter->MeasureProduct(*team, product)});
  }
  if (!cases.empty()) {
    TakeLarger(meter->MeasureLimits(*team), report.limits.back());
  }
  return report;
}

const char* NameOf(LimitShare::Limit limit) {
  switch (limit) {
    case LimitShare::Limit::kRead:
      return "read";
    case LimitShare::Limit::kInteger:
      return "integer";
    case LimitShare::Limit::kFloat:
      return "f32";
  }
  return "?";
}

const char* NameOf(Encoding encoding) {
  return encoding == Encoding::kF32 ? "f32" : "q8";
}

void PrintJson(const Report& report) {
  nlohmann::json json = {{"isa", report.isa},
                         {"limits_isa", report.loops_isa},
                         {"plain_types", report.plain_types},
                         {"working_bytes", report.working_bytes},
                         {"cores", report.cores.all.size()},
                         {"big_cores", report.cores.big.size()},
                         {"limits", nlohmann::json::array()},
                         {"products", nlohmann::json::array()}};
  for (const CpuLimits& limits : report.limits) {
    json["limits"].push_back(
        {{"threads", limits.threads},
         {"read_bytes_per_second", limits.read_bytes},
         {"sustained_read_bytes_per_second", limits.sustained_read_bytes},
         {"integer_macs_per_second", limits.integer_macs},
         {"float_macs_per_second", limits.float_macs}});
  }
  for (const auto& [product, rate] : report.products) {
    const LimitShare share = ShareOf(product, rate, report.limits.back());
    json["products"].push_back(
        {{"type", std::string(kernels::InfoOf(product.type).name)},
         {"activations", NameOf(product.encoding)},
         {"rows", product.rows},
         {"cols", product.cols},
         {"tokens", product.tokens},
         {"weight_bytes_per_second", rate.weight_bytes},
         {"macs_per_second", rate.macs},
         {"limit", NameOf(share.limit)},
         {"share_of_limit", share.share}});
  }
  std::printf("%s\n", json.dump(2).c_str());
}

std::string Giga(double rate) { return absl::StrFormat("%.1f", rate * 1e-9); }

void PrintText(const Report& report) {
  if (report.cores.hybrid()) {
    std::printf("Of %zu cores %zu are big; by default others are not used.\n",
                report.cores.all.size(), report.cores.big.size());
  }
  Table limits(
      {"threads", "read GB/s", "sustained", "integer GMAC/s", "f32 GMAC/s"});
  for (size_t c = 0; c < 5; ++c) limits.AlignRight(c);
  for (const CpuLimits& l : report.limits) {
    limits.AddRow({absl::StrCat(l.threads), Giga(l.read_bytes),
                   Giga(l.sustained_read_bytes), Giga(l.integer_macs),
                   Giga(l.float_macs)});
  }
  std::printf("Limits of this machine with %s (%s walked through):\n%s",
              report.loops_isa.c_str(),
              base::FormatByteSize(report.working_bytes).c_str(),
              limits.Text().c_str());
  if (report.products.empty()) return;
  Table products({"type", "activations", "rows x columns", "tokens", "GB/s",
                  "GMAC/s", "% of limit", "limit"});
  for (size_t c = 2; c < 7; ++c) products.AlignRight(c);
  for (const auto& [product, rate] : report.products) {
    const LimitShare share = ShareOf(product, rate, report.limits.back());
    products.AddRow(
        {std::string(kernels::InfoOf(product.type).name),
         NameOf(product.encoding),
         absl::StrCat(product.rows, " x ", product.cols),
         absl::StrCat(product.tokens), Giga(rate.weight_bytes), Giga(rate.macs),
         absl::StrFormat("%.0f", 100 * share.share), NameOf(share.limit)});
  }
  std::printf("\nMatrix products of the %s kernels, %u threads:\n%s",
              report.isa.c_str(), report.limits.back().threads,
              products.Text().c_str());
  const auto beyond = std::count_if(
      report.products.begin(), report.products.end(), [&](const Measured& m) {
        const auto& [product, rate] = m;
        return ShareOf(product, rate, report.limits.back()).share > kShareMax;
      });
  if (beyond > 0) {
    std::printf(
        "%lld products went beyond their limit: it was measured too low, at a "
        "disturbed moment or by a loop that falls short\n",
        static_cast<long long>(beyond));
  }
  if (!report.plain_types.empty()) {
    std::printf("Without vector code, in %s: %s\n", report.isa.c_str(),
                absl::StrJoin(report.plain_types, ", ").c_str());
  }
}

absl::Status BenchCpu(const BenchCpuFlags& flags) {
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
  if (interrupt.interrupted()) return absl::CancelledError("interrupted");
  return absl::OkStatus();
}

void AddProductFlags(Command& verb, BenchCpuFlags& flags) {
  verb.AddFlag({.names = "--types",
                .value = "TYPE[,TYPE...]",
                .help = "Weight types, such as Q4_0,Q8_0 (all)"},
               [&flags](const std::string& text) {
                 return SetTypes(text, flags.types);
               });
  verb.AddFlag({.names = "--shapes",
                .value = "ROWSxCOLUMNS[,...]",
                .help = "Shapes of the matrices (2048x2048,5632x2048)"},
               [&flags](const std::string& text) {
                 return SetShapes(text, flags.shapes);
               });
  verb.AddFlag({.names = "--tokens",
                .value = "N[,N...]",
                .help = "Tokens that go together (1,4,16,64,256)"},
               [&flags](const std::string& text) {
                 return SetTokens(text, flags.tokens);
               });
  static const Choices<bool> activations = {{"q8", false}, {"f32", true}};
  verb.AddFlag({.names = "--activations",
                .value = "q8|f32",
                .help = "Inputs of quantised weights (q8)",
                .choices = Words(activations)},
               SetChoice(activations, &flags.f32_activations));
  verb.AddSwitch({.names = "--limits", .help = "Only the machine's limits"},
                 &flags.limits_only);
}

}  // namespace

void AddBenchCpuVerb(Command& bench) {
  Command& verb =
      bench.AddVerb("cpu", "What the cores reach, and the products beside it");
  auto flags = std::make_shared<BenchCpuFlags>();
  verb.AddFlag({.names = "--isa",
                .value = "NAME",
                .help = "Instruction set: auto, scalar, ... (auto)"},
               SetText(&flags->isa));
  verb.AddFlag(
      {.names = "--threads",
       .value = "N",
       .help = "Threads that compute together (the big cores)"},
      SetUint(&flags->threads, 1, kernels::ThreadTeam::kMemberCountMax));
  AddProductFlags(verb, *flags);
  verb.AddFlag({.names = "--time",
                .value = "TIME",
                .help = "Spent on each rate, about (50ms)"},
               SetDuration(&flags->time));
  verb.AddSwitch({.names = "--json", .help = "Print a JSON object"},
                 &flags->json);
  verb.SetDetails(
      "Reads from memory beyond the caches, multiplies integers and floats on\n"
      "registers alone, and measures every matrix product next to that: the\n"
      "limit that binds it, and how much of it is reached. The machine should\n"
      "have nothing else to do.");
  verb.SetRunner([flags] { return BenchCpu(*flags); });
}

}  // namespace shoal::cli

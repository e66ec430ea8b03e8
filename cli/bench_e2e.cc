#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/bench_verbs.h"
#include "cli/cluster_find.h"
#include "cli/e2e_report.h"
#include "cli/flag_values.h"
#include "cli/flags_how.h"
#include "cli/flags_where.h"
#include "cli/interrupt.h"
#include "cli/model_facts.h"
#include "cli/session.h"
#include "cli/summary.h"
#include "memory/process_memory.h"
#include "model/tokenizer.h"

namespace shoal::cli {
namespace {

// Said again and again until the prompt is long enough.
constexpr absl::string_view kPromptText =
    "A shoal of small fish swims as one, and turns as one. ";

struct E2eFlags {
  std::string model;
  uint32_t prompt_tokens = 128;
  uint32_t tokens = 64;
  uint32_t runs = 3;
  bool json = false;
  std::string html;
  WhereFlags where;
  HowFlags how;
};

double MedianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

// Of exactly so many tokens, and each run's begins with another one: nothing of
// it is in the KV cache.
absl::StatusOr<std::vector<int32_t>> PromptOf(const model::Tokenizer& tokenizer,
                                              uint32_t count, uint32_t run) {
  std::string text;
  std::vector<int32_t> ids;
  while (ids.size() < count + run) {
    absl::StrAppend(&text, kPromptText);
    SHOAL_ASSIGN_OR_RETURN(ids, tokenizer.Encode(text, {.add_special = false}));
  }
  return std::vector<int32_t>(ids.begin() + run, ids.begin() + run + count);
}

absl::Status MeasureRuns(const E2eFlags& flags, Session& session,
                         InterruptWatcher& interrupt, E2eRow& row) {
  coordinator::Coordinator& coordinator = session.coordinator();
  std::vector<double> rates, prompt_rates, first_tokens;
  // The first only warms up.
  for (uint32_t run = 0; run <= flags.runs; ++run) {
    coordinator::GenerateRequest request;
    SHOAL_ASSIGN_OR_RETURN(request.prompt, PromptOf(coordinator.tokenizer(),
                                                    flags.prompt_tokens, run));
    request.sampling.temperature = 0;
    request.ignore_eos = true;
    request.max_tokens = run == 0 ? 2 : flags.tokens;
    std::fprintf(stderr, "%s: %s\n", row.fleet.c_str(),
                 run == 0
                     ? "warming up"
                     : absl::StrCat("run ", run, " of ", flags.runs).c_str());
    SHOAL_ASSIGN_OR_RETURN(
        const coordinator::GenerateResult result,
        coordinator.Generate(request, nullptr, &interrupt.cancel()));
    if (interrupt.interrupted()) return absl::CancelledError("interrupted");
    if (run == 0) continue;
    rates.push_back(TokensPerSecond(result));
    first_tokens.push_back(absl::ToDoubleSeconds(result.time_to_first_token));
    prompt_rates.push_back(result.prompt_tokens / first_tokens.back());
  }
  const auto [least, most] = std::minmax_element(rates.begin(), rates.end());
  row.spread = (*most - *least) / MedianOf(rates);
  row.tokens_per_second = MedianOf(rates);
  row.prompt_tokens_per_second = MedianOf(prompt_rates);
  row.time_to_first_token = absl::Seconds(MedianOf(first_tokens));
  row.devices = FactsOf(coordinator, {}).reports;
  return absl::OkStatus();
}

absl::Status Measure(const E2eFlags& flags, const SessionOptions& options,
                     InterruptWatcher& interrupt, E2eReport& report,
                     E2eRow& row) {
  SHOAL_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                         Session::Start(options, interrupt));
  report.context_positions = session->coordinator().context_positions();
  return MeasureRuns(flags, *session, interrupt, row);
}

// The model on this device alone, with all of its cores and memory, or with the
// first budget that was given.
absl::StatusOr<SessionOptions> AloneOptions(const E2eFlags& flags,
                                            const SessionOptions& fleet) {
  HowFlags how = flags.how;
  if (how.memory_bytes.size() > 1) {
    // GCC 12 warns of resize(), which cannot enlarge it here.
    how.memory_bytes.erase(how.memory_bytes.begin() + 1,
                           how.memory_bytes.end());
  }
  how.shares.clear();
  how.tensor_parallel = how.pipeline_parallel = 0;
  how.context = fleet.plan.run.context_positions;
  return SessionOptionsOf(fleet.model, WhereFlags(), how);
}

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  std::string other;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string value(
        absl::StripAsciiWhitespace(absl::string_view(line).substr(colon + 1)));
    if (absl::StartsWith(line, "model name")) return value;
    // Boards tell what they are, not their processor.
    if (absl::StartsWith(line, "Model")) other = value;
  }
  return other;
}

E2eSystem ThisSystem() {
  E2eSystem system;
  system.version = SHOAL_VERSION;
  utsname names;
  if (uname(&names) == 0) {
    system.system =
        absl::StrCat(names.sysname, " ", names.release, " ", names.machine);
  }
  system.processor = ProcessorName();
  system.core_count = std::max(1u, std::thread::hardware_concurrency());
  if (const auto memory = memory::ReadMachineMemory(); memory.ok()) {
    system.memory_bytes = memory->total_bytes;
  }
  return system;
}

absl::StatusOr<E2eModel> DescribeModel(const std::string& path) {
  SHOAL_ASSIGN_OR_RETURN(const model::GgufHeader header,
                         model::GgufHeader::ReadFile(path));
  SHOAL_ASSIGN_OR_RETURN(const ModelFacts facts, FactsOf(path, header));
  std::vector<std::pair<uint64_t, std::string>> types;
  for (const auto& [name, group] : facts.types) {
    types.emplace_back(
        group.bytes,
        absl::StrCat(name, " ", base::FormatByteSize(group.bytes)));
  }
  std::sort(types.rbegin(), types.rend());
  E2eModel model;
  model.name = facts.name.empty() ? facts.file : facts.name;
  model.bytes = facts.file_bytes;
  model.weights =
      absl::StrJoin(types, ", ", [](std::string* out, const auto& type) {
        absl::StrAppend(out, type.second);
      });
  return model;
}

std::string LinkOf(const SessionOptions& options) {
  const bool is_tcp = options.plan.run.transport == parallel::Transport::kTcp;
  return absl::StrCat(is_tcp ? "tcp" : "zmq",
                      options.plan.run.seal_links ? ", sealed" : "");
}

absl::Status WriteHtml(const std::string& path, const E2eReport& report) {
  std::ofstream file(path, std::ios::trunc);
  file << E2eHtml(report);
  file.close();
  if (file) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("--html ", path, ": cannot be written"));
}

absl::Status BenchE2e(const E2eFlags& flags) {
  InterruptWatcher interrupt;
  SHOAL_ASSIGN_OR_RETURN(const SessionOptions options,
                         SessionOptionsOf(flags.model, flags.where, flags.how));
  E2eReport report;
  report.time = absl::Now();
  report.system = ThisSystem();
  SHOAL_ASSIGN_OR_RETURN(report.model, DescribeModel(options.model));
  report.link = LinkOf(options);
  report.prompt_tokens = flags.prompt_tokens;
  report.generated_tokens = flags.tokens;
  report.runs = flags.runs;
  SHOAL_ASSIGN_OR_RETURN(const SessionOptions alone,
                         AloneOptions(flags, options));
  E2eRow fleet;
  fleet.fleet = "the fleet";
  SHOAL_RETURN_IF_ERROR(Measure(flags, options, interrupt, report, fleet));
  fleet.fleet = absl::StrCat(fleet.devices.size(), " devices");
  const bool is_alone = fleet.devices.size() == 1;
  if (is_alone) fleet.fleet = "1 device";
  report.rows.push_back(std::move(fleet));
  if (!is_alone) {
    E2eRow one;
    one.fleet = "1 device alone";
    const absl::Status measured = Measure(flags, alone, interrupt, report, one);
    if (absl::IsCancelled(measured)) return measured;
    one.error = std::string(measured.message());
    report.rows.push_back(std::move(one));
  }
  if (flags.json) {
    std::printf("%s\n", E2eJson(report)
                            .dump(2, ' ', false,
                                  nlohmann::json::error_handler_t::replace)
                            .c_str());
  } else {
    std::fputs(E2eText(report).c_str(), stdout);
  }
  return flags.html.empty() ? absl::OkStatus() : WriteHtml(flags.html, report);
}

absl::Status CheckE2eFlags(E2eFlags& flags) {
  SHOAL_RETURN_IF_ERROR(ChooseCluster(flags.where));
  SHOAL_RETURN_IF_ERROR(CheckWhereFlags(flags.where));
  if (flags.model.empty() && flags.where.cluster.empty()) {
    return absl::InvalidArgumentError(
        "--model is missing (a GGUF file, or a --cluster that names one)");
  }
  return absl::OkStatus();
}

}  // namespace

void AddBenchE2eVerb(Command& bench) {
  Command& verb = bench.AddVerb(
      "e2e", "A whole run on a fleet, and on this device alone: a report");
  auto flags = std::make_shared<E2eFlags>();
  verb.AddFlag({.names = "-m,--model",
                .value = "FILE",
                .help = "The model, a GGUF file"},
               SetText(&flags->model));
  verb.AddFlag({.names = "--prompt-tokens",
                .value = "N",
                .help = "Length of the prompt (128)"},
               SetUint(&flags->prompt_tokens, 1, 1 << 20));
  verb.AddFlag({.names = "--tokens",
                .value = "N",
                .help = "Tokens to generate in each run (64)"},
               SetUint(&flags->tokens, 2, 1 << 20));
  verb.AddFlag({.names = "--runs",
                .value = "N",
                .help = "Runs, of which the median counts (3)"},
               SetUint(&flags->runs, 1, 1000));
  verb.AddSwitch({.names = "--json", .help = "Print one JSON object instead"},
                 &flags->json);
  verb.AddFlag({.names = "--html",
                .value = "FILE",
                .help = "Also write a page with plots, to be shared"},
               SetText(&flags->html));
  AddWhereFlags(verb, flags->where);
  AddHowFlags(verb, flags->how);
  verb.SetDetails(
      "Runs the same prompt several times on the fleet that is named, then on\n"
      "this device alone, and tells prompt and decode rate, time to the first\n"
      "token, peak memory and bytes read and sent. Alone, this device keeps\n"
      "the whole model in its store (shoal store gc frees it).\n\n"
      "Examples:\n"
      "  shoal bench e2e -m MODEL.gguf --local 2\n"
      "  shoal bench e2e -m MODEL.gguf --cluster home.textproto --html "
      "home.html");
  verb.SetCheck([flags] { return CheckE2eFlags(*flags); });
  verb.SetRunner([flags] { return BenchE2e(*flags); });
}

}  // namespace shoal::cli

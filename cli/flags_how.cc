#include "cli/flags_how.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "kernels/cpu_cores.h"
#include "memory/process_memory.h"
#include "parallel/plan.h"

namespace shoal::cli {
namespace {

using memory::IoEngine;
using parallel::Collective;
using parallel::HeadPlacement;
using parallel::KvFormat;
using parallel::Payload;
using parallel::Transport;
using parallel::WeightsMode;

constexpr char kGroup[] = "How";
constexpr uint32_t kThreadsMax = 256;
constexpr uint32_t kContextMax = 1 << 24;

const Choices<WeightsMode>& WeightsChoices() {
  static const Choices<WeightsMode> choices = {
      {"auto", WeightsMode::kAuto},
      {"resident", WeightsMode::kResident},
      {"stream", WeightsMode::kStream}};
  return choices;
}

const Choices<Collective>& CollectiveChoices() {
  static const Choices<Collective> choices = {
      {"auto", Collective::kFusedStar},
      {"star", Collective::kStar},
      {"fused-star", Collective::kFusedStar}};
  return choices;
}

const Choices<Transport>& TransportChoices() {
  static const Choices<Transport> choices = {{"auto", Transport::kTcp},
                                             {"tcp", Transport::kTcp},
                                             {"zmq", Transport::kZmq}};
  return choices;
}

const Choices<std::optional<Payload>>& PayloadChoices() {
  static const Choices<std::optional<Payload>> choices = {
      {"auto", std::nullopt}, {"f64", Payload::kF64}, {"f32", Payload::kF32}};
  return choices;
}

template <typename T, typename U>
void AddChoice(Command& verb, std::string name, std::string help,
               const Choices<T>& choices, U& to) {
  verb.AddFlag({.names = std::move(name),
                .value = absl::StrJoin(Words(choices), "|"),
                .help = std::move(help),
                .group = kGroup,
                .choices = Words(choices)},
               SetChoice(choices, &to));
}

void AddNumericFlags(Command& verb, HowFlags& flags) {
  static const Choices<bool> activations = {{"q8", false}, {"f32", true}};
  static const Choices<KvFormat> kv = {
      {"f16", KvFormat::kF16}, {"f32", KvFormat::kF32}, {"q8", KvFormat::kQ8}};
  AddChoice(verb, "--payload",
            "Partial sums between devices; f64 gives the same bits on any "
            "number of devices (auto: f64 with --local, else f32)",
            PayloadChoices(), flags.payload);
  AddChoice(verb, "--activations",
            "Inputs of quantised weights; f32 for exact comparisons (q8)",
            activations, flags.f32_activations);
  AddChoice(verb, "--kv",
            "Keys and values in memory; q8 takes 0.53 of f16 (f16)", kv,
            flags.kv);
  AddChoice(verb, "--collective",
            "How devices exchange results (auto: fused-star)",
            CollectiveChoices(), flags.collective);
  static const Choices<HeadPlacement> heads = {
      {"sharded", HeadPlacement::kSharded},
      {"coordinator", HeadPlacement::kCoordinator}};
  AddChoice(verb, "--head",
            "Who computes logits: every device its part of the vocabulary, or "
            "the coordinator alone, so that they never leave it (sharded)",
            heads, flags.head);
  AddChoice(verb, "--transport",
            "What carries data between devices (auto: tcp, polled where the "
            "cores suffice)",
            TransportChoices(), flags.transport);
}

}  // namespace

const Choices<IoEngine>& IoChoices() {
  static const Choices<IoEngine> choices = {{"auto", IoEngine::kAuto},
                                            {"uring", IoEngine::kUring},
                                            {"pread", IoEngine::kPread},
                                            {"mmap", IoEngine::kMmap}};
  return choices;
}

std::string WordOf(IoEngine engine) {
  return IoChoices()[static_cast<size_t>(engine)].first;
}

absl::Status ParseParallel(const std::string& text, uint32_t& tensor_parallel,
                           uint32_t& pipeline_parallel) {
  const auto wrong = absl::InvalidArgumentError(
      "it must be auto or like tp=2,pp=2 (devices in a stage, stages)");
  tensor_parallel = pipeline_parallel = 0;
  if (text == "auto") return absl::OkStatus();
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    uint32_t* to = absl::ConsumePrefix(&part, "tp=")   ? &tensor_parallel
                   : absl::ConsumePrefix(&part, "pp=") ? &pipeline_parallel
                                                       : nullptr;
    if (to == nullptr || *to != 0 || !absl::SimpleAtoi(part, to) || *to == 0 ||
        *to > parallel::kRankCountMax) {
      return wrong;
    }
  }
  return absl::OkStatus();
}

void AddDeviceFlags(Command& verb, HowFlags& flags) {
  verb.AddFlag({.names = "--threads",
                .value = "N",
                .help = "Threads of each process (big cores / devices)",
                .group = kGroup},
               SetUint(&flags.threads, 1, kThreadsMax));
  verb.AddFlag({.names = "--store",
                .value = "DIR",
                .help = "Where the weights are kept "
                        "(default: $XDG_CACHE_HOME/shoal/store)",
                .group = kGroup},
               SetText(&flags.store));
  verb.AddFlag({.names = "--isa",
                .value = "NAME",
                .help = "Instruction set: auto, scalar, ... (auto)",
                .group = kGroup},
               SetText(&flags.isa));
  AddChoice(verb, "--io",
            "How weights are read from disk (auto: io_uring where the system "
            "allows it, else pread)",
            IoChoices(), flags.io);
}

void AddHowFlags(Command& verb, HowFlags& flags) {
  verb.AddFlag({.names = "--memory",
                .value = "SIZE[,SIZE...]",
                .help = "What each process may use for everything together, "
                        "such as 300MiB; one for all devices or one for each "
                        "(80 % of the free memory, divided by the devices)",
                .group = kGroup},
               SetBytesList(&flags.memory_bytes));
  AddDeviceFlags(verb, flags);
  verb.AddFlag({.names = "--ctx",
                .value = "N",
                .help = "Longest text in tokens, prompt included (512, or "
                        "what the model was made for)",
                .group = kGroup},
               SetUint(&flags.context, 1, kContextMax));
  verb.AddFlag({.names = "--chunk",
                .value = "N",
                .help = "Tokens of the prompt computed at once (from --memory)",
                .group = kGroup},
               SetUint(&flags.chunk, 1, parallel::kChunkTokensMax));
  AddChoice(verb, "--weights",
            "In memory, streamed from disk, or what fits in memory and the "
            "rest streamed (auto)",
            WeightsChoices(), flags.weights);
  verb.AddFlag({.names = "--parallel",
                .value = "auto|tp=A,pp=B",
                .help = "Stages: pp of them, of tp devices each (auto: one)",
                .group = kGroup},
               [&flags](const std::string& text) {
                 return ParseParallel(text, flags.tensor_parallel,
                                      flags.pipeline_parallel);
               });
  verb.AddFlag({.names = "--shares",
                .value = "3,1,1",
                .help = "Relative shares of the devices (by their speed)",
                .group = kGroup},
               SetNumbers(&flags.shares));
  AddNumericFlags(verb, flags);
}

void AddTraceFlag(Command& verb, HowFlags& flags) {
  verb.AddFlag({.names = "--trace",
                .value = "FILE",
                .help = "Write what every device did when: reads, stalls, "
                        "computing, exchanges; ui.perfetto.dev shows it",
                .group = kGroup},
               SetText(&flags.trace));
}

void AddMemoryFileFlag(Command& verb, HowFlags& flags) {
  verb.AddFlag({.names = "--memory-file",
                .value = "FILE",
                .help = "A file with a size, read again while this process "
                        "runs: a smaller one takes weights out of its memory, "
                        "a larger one takes them back",
                .group = kGroup},
               SetText(&flags.memory_file));
}

coordinator::PlanOptions PlanOptionsOf(const HowFlags& flags,
                                       uint32_t trained_context, bool local) {
  coordinator::PlanOptions options;
  options.run.weights = flags.weights.value_or(WeightsMode::kAuto);
  options.run.kv = flags.kv.value_or(KvFormat::kF16);
  options.run.f32_activations = flags.f32_activations.value_or(false);
  options.run.context_positions = flags.context;
  options.run.data_timeout = flags.data_timeout;
  options.run.trace = !flags.trace.empty();
  options.run.share_memory = local;
  options.run.transport = flags.transport.value_or(Transport::kTcp);
  if (flags.context == 0) {
    options.run.context_positions =
        trained_context == 0 ? kDefaultContext
                             : std::min(kDefaultContext, trained_context);
  }
  options.payload =
      flags.payload.value_or(local ? Payload::kF64 : Payload::kF32);
  options.collective = flags.collective.value_or(Collective::kFusedStar);
  options.head = flags.head.value_or(HeadPlacement::kSharded);
  options.tensor_parallel = flags.tensor_parallel;
  options.pipeline_parallel = flags.pipeline_parallel;
  options.shares = flags.shares;
  options.chunk_tokens = flags.chunk;
  return options;
}

absl::StatusOr<std::vector<uint64_t>> LocalBudgets(const HowFlags& flags,
                                                   uint32_t device_count) {
  const auto& given = flags.memory_bytes;
  if (given.size() == 1) {
    return std::vector<uint64_t>(device_count, given[0]);
  }
  if (given.size() > 1) {
    if (given.size() == device_count) return given;
    return absl::InvalidArgumentError(absl::StrCat(
        "--memory lists ", given.size(), " sizes, but there are ", device_count,
        " devices on this machine; give one for all or one for each"));
  }
  SHOAL_ASSIGN_OR_RETURN(const memory::MachineMemory machine,
                         memory::ReadMachineMemory());
  return std::vector<uint64_t>(device_count,
                               machine.available_bytes / 5 * 4 / device_count);
}

uint32_t ThreadsOf(const HowFlags& flags, uint32_t device_count) {
  if (flags.threads > 0) return flags.threads;
  const auto cores = static_cast<uint32_t>(kernels::ReadCpuCores().big.size());
  return std::clamp(cores / device_count, 1u, kThreadsMax);
}

}  // namespace shoal::cli

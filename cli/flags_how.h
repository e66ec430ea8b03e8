// The flags of the group HOW: how a model is run.

#ifndef SHOAL_CLI_FLAGS_HOW_H_
#define SHOAL_CLI_FLAGS_HOW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "coordinator/placement.h"
#include "memory/file_system.h"

namespace shoal::cli {

struct HowFlags {
  std::vector<uint64_t> memory_bytes;  // one for all devices, or one for each
  uint32_t threads = 0;                // of each process; 0: cores / devices
  uint32_t context = 0;  // 0: kDefaultContext, or what the model was made for
  uint32_t chunk = 0;    // 0: from the budgets
  std::optional<parallel::WeightsMode> weights;  // nothing: kAuto
  uint32_t tensor_parallel = 0;                  // 0: one stage of all devices
  uint32_t pipeline_parallel = 0;
  std::vector<double> shares;
  std::optional<parallel::Collective> collective;  // nothing: kFusedStar
  std::optional<parallel::HeadPlacement> head;     // nothing: kSharded
  std::optional<parallel::Payload> payload;        // nothing: f64 with --local
  std::optional<bool> f32_activations;             // nothing: false
  std::optional<parallel::KvFormat> kv;            // nothing: kF16
  std::optional<parallel::Transport> transport;    // nothing: kTcp
  std::string isa = "auto";
  memory::IoEngine io = memory::IoEngine::kAuto;
  std::string store;
  std::string trace;        // file to write; empty: none
  std::string memory_file;  // with a size; empty: none
  absl::Duration data_timeout = absl::Seconds(30);
};

inline constexpr uint32_t kDefaultContext = 512;

void AddHowFlags(Command& verb, HowFlags& flags);

// Of the verbs that run a model themselves.
void AddTraceFlag(Command& verb, HowFlags& flags);

// Of the verbs that are a device themselves: --memory-file.
void AddMemoryFileFlag(Command& verb, HowFlags& flags);

// --threads, --store, --isa and --io, which workers have, too.
void AddDeviceFlags(Command& verb, HowFlags& flags);

// The words of --io.
const Choices<memory::IoEngine>& IoChoices();
std::string WordOf(memory::IoEngine engine);

// "auto" or "tp=2,pp=3", either part alone, too.
// Errors: kInvalidArgument  anything else
absl::Status ParseParallel(const std::string& text, uint32_t& tensor_parallel,
                           uint32_t& pipeline_parallel);

// `trained_context`: 0 if unknown. `local`: all devices are on this machine.
coordinator::PlanOptions PlanOptionsOf(const HowFlags& flags,
                                       uint32_t trained_context, bool local);

// The budget of one of `device_count` devices on this machine: what was given,
// else an equal part of 80 % of the available memory.
// Errors: kInvalidArgument  --memory lists another number of sizes
//         kUnavailable      the available memory cannot be read
absl::StatusOr<std::vector<uint64_t>> LocalBudgets(const HowFlags& flags,
                                                   uint32_t device_count);

// --threads, or an equal part of the cores, at least 1.
uint32_t ThreadsOf(const HowFlags& flags, uint32_t device_count);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLAGS_HOW_H_

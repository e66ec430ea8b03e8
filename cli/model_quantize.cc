#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/model_verbs.h"
#include "cli/progress.h"
#include "model/quantize_file.h"

namespace shoal::cli {
namespace {

struct QuantizeFlags {
  model::QuantizeOptions options;
  bool force = false;
};

Choices<kernels::WeightType> TypeChoices() {
  Choices<kernels::WeightType> choices;
  for (const kernels::WeightType type : kernels::SupportedWeightTypes()) {
    if (type == kernels::WeightType::kF32) continue;
    const auto& info = kernels::InfoOf(type);
    choices.push_back({absl::AsciiStrToLower(std::string(info.name)), type});
  }
  return choices;
}

absl::Status CheckOutput(const QuantizeFlags& flags) {
  std::error_code error;
  const std::filesystem::path input(flags.options.input);
  const std::filesystem::path output(flags.options.output);
  if (std::filesystem::equivalent(input, output, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.options.output,
                     " is the input; give another name for the "
                     "output"));
  }
  if (!flags.force && std::filesystem::exists(output, error)) {
    return absl::AlreadyExistsError(absl::StrCat(
        flags.options.output,
        " is there already; give another name, or --force to replace it"));
  }
  return absl::OkStatus();
}

absl::Status Quantize(const QuantizeFlags& flags) {
  SHOAL_RETURN_IF_ERROR(CheckOutput(flags));
  Progress line;
  uint64_t bytes = 0;
  SHOAL_RETURN_IF_ERROR(model::QuantizeFile(
      flags.options, [&](const std::string& note) { line.Say(note); },
      [&](uint64_t done, uint64_t total) {
        bytes = total;
        line.Bytes("quantizing", done, total);
      }));
  line.Done();
  std::fprintf(stderr, "wrote %s, %s\n", flags.options.output.c_str(),
               base::FormatByteSize(bytes).c_str());
  return absl::OkStatus();
}

}  // namespace

void AddModelQuantizeVerb(Command& model) {
  static const Choices<kernels::WeightType> types = TypeChoices();
  Command& verb = model.AddVerb("quantize", "Make a smaller file from floats");
  auto flags = std::make_shared<QuantizeFlags>();
  flags->options.threads = std::max(std::thread::hardware_concurrency(), 1u);
  verb.AddFlag({.names = "IN",
                .value = "FILE",
                .help = "A model of F32, F16 or BF16 weights",
                .required = true},
               SetText(&flags->options.input));
  verb.AddFlag({.names = "OUT",
                .value = "FILE",
                .help = "The file to write",
                .required = true},
               SetText(&flags->options.output));
  verb.AddFlag({.names = "--type",
                .value = "T",
                .help = "Weight type of most matrices (q4_k)",
                .choices = Words(types)},
               SetChoice(types, &flags->options.type));
  verb.AddFlag(
      {.names = "--threads", .value = "N", .help = "Threads (all cores)"},
      SetUint(&flags->options.threads, 1, 1024));
  verb.AddSwitch({.names = "--force", .help = "Replace OUT if it is there"},
                 &flags->force);
  verb.SetDetails(
      "Norms, biases and routers stay as they are. output.weight (where there "
      "is\nnone, the embedding) becomes Q6_K, but for types of 8 bits and "
      "more. "
      "q4_k and\nq5_k keep attn_v and ffn_down of some layers in Q6_K, q3_k in "
      "Q4_K and Q5_K,\nq2_k in Q3_K, as published files do. Rows that are not "
      "whole blocks get a\ntype of smaller blocks, and a line that says so.\n\n"
      "Example:\n  shoal model quantize model-f16.gguf model-q4_k.gguf --type "
      "q4_k");
  verb.SetRunner([flags] { return Quantize(*flags); });
}

}  // namespace shoal::cli

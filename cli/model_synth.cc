#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/model_verbs.h"
#include "cli/progress.h"
#include "cli/synth_stores.h"
#include "model/synth.h"
#include "model/synth_shape.h"
#include "parallel/plan.h"

namespace shoal::cli {
namespace {

struct SynthFlags {
  SynthStoresOptions options;
  std::string names;
  uint32_t device_count = 0;  // 0: not given
};

absl::Status CheckFlags(const SynthFlags& flags) {
  const SynthStoresOptions& options = flags.options;
  if (options.root.empty()) {
    if (flags.device_count == 0 && flags.names.empty() &&
        options.shares.empty() && options.isa == "auto") {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        "-n, --names, --shares and --isa are about stores: give --stores DIR");
  }
  const size_t count = options.device_names.size();
  if (count == 0 || (flags.device_count > 0 && !flags.names.empty() &&
                     flags.device_count != count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--stores needs the number of devices, -n, or as many "
                     "--names; got -n ",
                     flags.device_count, " and ", count, " names"));
  }
  if (!options.shares.empty() && options.shares.size() != count) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shares has ", options.shares.size(), " numbers for ",
                     count, " devices; give one for each"));
  }
  return absl::OkStatus();
}

// By default the devices are those of `run --local`.
void SetNames(SynthFlags& flags) {
  std::vector<std::string>& names = flags.options.device_names;
  names.clear();
  if (!flags.names.empty()) names = absl::StrSplit(flags.names, ',');
  for (uint32_t i = 0; flags.names.empty() && i < flags.device_count; ++i) {
    names.push_back(absl::StrCat("local-", i));
  }
}

absl::Status Synth(const SynthStoresOptions& options) {
  const absl::Time begin = absl::Now();
  Progress progress_line;
  uint64_t bytes = 0;
  const auto progress = [&](uint64_t done, uint64_t total) {
    bytes = done;
    progress_line.Bytes("writing weights", done, total);
  };
  SHOAL_RETURN_IF_ERROR(options.root.empty()
                            ? model::Synthesize(options.model, progress)
                            : SynthesizeStores(options, progress));
  progress_line.Done();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::fprintf(stderr, "wrote %s%s: %s of weights in %.1f s, %.0f MB/s\n",
               options.model.path.c_str(),
               options.root.empty()
                   ? ""
                   : absl::StrCat(" and the stores in ", options.root).c_str(),
               base::FormatByteSize(bytes).c_str(), seconds,
               static_cast<double>(bytes) / seconds / 1e6);
  return absl::OkStatus();
}

void AddStoresFlags(Command& verb, SynthFlags& flags) {
  verb.AddFlag({.names = "--stores",
                .value = "DIR",
                .help = "Write the devices' weight stores below DIR instead, "
                        "and to FILE what remains"},
               SetText(&flags.options.root));
  verb.AddFlag({.names = "-n,--devices",
                .value = "N",
                .help = "With --stores: for so many devices, local-0 ..., "
                        "those of run --local N"},
               SetUint(&flags.device_count, 1, parallel::kRankCountMax));
  verb.AddFlag({.names = "--names",
                .value = "A,B",
                .help = "With --stores: the names of the devices, by rank"},
               SetText(&flags.names));
  verb.AddFlag({.names = "--shares",
                .value = "3,1,1",
                .help = "With --stores: relative shares of the devices "
                        "(equal)"},
               SetNumbers(&flags.options.shares));
  verb.AddFlag({.names = "--isa",
                .value = "NAME",
                .help = "With --stores: the instruction set that the stores "
                        "are packed for (auto: this machine's)"},
               SetText(&flags.options.isa));
}

}  // namespace

void AddModelSynthVerb(Command& model) {
  static const Choices<kernels::WeightType> types = {
      {"q4_0", kernels::WeightType::kQ4_0},
      {"q8_0", kernels::WeightType::kQ8_0},
      {"f16", kernels::WeightType::kF16}};
  std::vector<std::string> shapes;
  for (const model::SynthShape& shape : model::SynthShapes()) {
    shapes.emplace_back(shape.name);
  }
  Command& verb =
      model.AddVerb("synth", "Make a model of random weights and a real shape");
  auto options = std::make_shared<SynthFlags>();
  model::SynthOptions& synth = options->options.model;
  verb.AddFlag({.names = "--shape",
                .value = "NAME",
                .help = absl::StrCat("One of ", absl::StrJoin(shapes, ", ")),
                .choices = shapes,
                .required = true},
               SetText(&synth.shape));
  verb.AddFlag({.names = "--type",
                .value = "q4_0|q8_0|f16",
                .help = "Weight type of all matrices (q4_0)",
                .choices = Words(types)},
               SetChoice(types, &synth.type));
  verb.AddFlag({.names = "--seed",
                .value = "S",
                .help = "The same seed gives the same bytes (1)"},
               SetUint64(&synth.seed, 0, std::numeric_limits<uint64_t>::max()));
  verb.AddFlag({.names = "-o,--output",
                .value = "FILE",
                .help = "The file to write",
                .required = true},
               SetText(&synth.path));
  AddStoresFlags(verb, *options);
  verb.SetDetails(
      "For trying speed, memory and placement without a download; what such a\n"
      "model writes is noise.\n\nExample:\n"
      "  shoal model synth --shape tinyllama-1.1b --type q4_0 -o tiny.gguf\n\n"
      "With --stores the weights go straight to the stores of the devices, "
      "and\n"
      "the file has only what the coordinator reads; so a large model takes\n"
      "its room once:\n"
      "  shoal model synth --shape llama-2-70b -o 70b.gguf --stores s70 -n 8\n"
      "  shoal run -m 70b.gguf --local 8 --store s70 -p Hello");
  verb.SetCheck([options] {
    SetNames(*options);
    return CheckFlags(*options);
  });
  verb.SetRunner([options] { return Synth(options->options); });
}

}  // namespace shoal::cli

#include <unistd.h>

#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/byte_size.h"
#include "base/status_macros.h"
#include "cli/flag_values.h"
#include "cli/model_verbs.h"
#include "model/synth.h"
#include "model/synth_shape.h"

namespace shoal::cli {
namespace {

// Files of the larger shapes take a while.
void ShowProgress(uint64_t done, uint64_t total) {
  std::fprintf(stderr, "\r%s of %s", base::FormatByteSize(done).c_str(),
               base::FormatByteSize(total).c_str());
}

absl::Status Synth(const model::SynthOptions& options) {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  absl::Time drawn = absl::InfinitePast();
  SHOAL_RETURN_IF_ERROR(
      model::Synthesize(options, [&](uint64_t done, uint64_t total) {
        const absl::Time now = absl::Now();
        if (!terminal || now - drawn < absl::Milliseconds(100)) return;
        drawn = now;
        ShowProgress(done, total);
      }));
  if (terminal) std::fputs("\r\033[K", stderr);
  std::fprintf(stderr, "wrote %s\n", options.path.c_str());
  return absl::OkStatus();
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
  auto options = std::make_shared<model::SynthOptions>();
  verb.AddFlag({.names = "--shape",
                .value = "NAME",
                .help = absl::StrCat("One of ", absl::StrJoin(shapes, ", ")),
                .choices = shapes,
                .required = true},
               SetText(&options->shape));
  verb.AddFlag({.names = "--type",
                .value = "q4_0|q8_0|f16",
                .help = "Weight type of all matrices (q4_0)",
                .choices = Words(types)},
               SetChoice(types, &options->type));
  verb.AddFlag(
      {.names = "--seed",
       .value = "S",
       .help = "The same seed gives the same bytes (1)"},
      SetUint64(&options->seed, 0, std::numeric_limits<uint64_t>::max()));
  verb.AddFlag({.names = "-o,--output",
                .value = "FILE",
                .help = "The file to write",
                .required = true},
               SetText(&options->path));
  verb.SetDetails(
      "For trying speed, memory and placement without a download; what such a\n"
      "model writes is noise.\n\nExample:\n"
      "  shoal model synth --shape tinyllama-1.1b --type q4_0 -o tiny.gguf");
  verb.SetRunner([options] { return Synth(*options); });
}

}  // namespace shoal::cli

#include "cli/flags_sampling.h"

#include <limits>

#include "cli/flag_values.h"

namespace shoal::cli {
namespace {

constexpr char kGroup[] = "Sampling";

void AddFilterFlags(Command& verb, coordinator::SamplingOptions& sampling) {
  verb.AddFlag({.names = "--temperature",
                .value = "T",
                .help = "0: always the most likely token (0.8)",
                .group = kGroup},
               SetFloat(&sampling.temperature, 0, 100));
  verb.AddFlag({.names = "--top-k",
                .value = "K",
                .help = "Only the K most likely tokens; 0: all (0)",
                .group = kGroup},
               SetUint(&sampling.top_k, 0, 1 << 24));
  verb.AddFlag({.names = "--top-p",
                .value = "P",
                .help = "Only the most likely tokens that make up P (1)",
                .group = kGroup},
               SetFloat(&sampling.top_p, std::numeric_limits<float>::min(), 1));
  verb.AddFlag({.names = "--min-p",
                .value = "P",
                .help = "Only tokens at least P times as likely as the most "
                        "likely one (0)",
                .group = kGroup},
               SetFloat(&sampling.min_p, 0, 0.999999));
  verb.AddFlag({.names = "--repeat-penalty",
                .value = "R",
                .help = "Above 1: tokens that came up lately are less likely "
                        "(1)",
                .group = kGroup},
               SetFloat(&sampling.repeat_penalty, 0.01, 100));
  verb.AddFlag(
      {.names = "--seed",
       .value = "S",
       .help = "The same seed gives the same text (0)",
       .group = kGroup},
      SetUint64(&sampling.seed, 0, std::numeric_limits<uint64_t>::max()));
}

}  // namespace

void AddSamplingFlags(Command& verb, SamplingFlags& flags) {
  verb.AddFlag({.names = "--max-tokens",
                .value = "N",
                .help = "Most tokens to generate (128)",
                .group = kGroup},
               SetUint(&flags.max_tokens, 0, 1 << 24));
  AddFilterFlags(verb, flags.sampling);
  verb.AddFlag({.names = "--stop",
                .value = "TEXT",
                .help = "End before this text; may be given several times",
                .group = kGroup,
                .repeated = true},
               [&flags](const std::string& text) {
                 if (text.empty()) {
                   return absl::InvalidArgumentError("it must not be empty");
                 }
                 flags.stop.push_back(text);
                 return absl::OkStatus();
               });
  verb.AddSwitch({.names = "--ignore-eos",
                  .help = "Go on where the model would end",
                  .group = kGroup},
                 &flags.ignore_eos);
}

coordinator::GenerateRequest RequestOf(const SamplingFlags& flags) {
  coordinator::GenerateRequest request;
  request.sampling = flags.sampling;
  request.max_tokens = flags.max_tokens;
  request.stop = flags.stop;
  request.ignore_eos = flags.ignore_eos;
  return request;
}

}  // namespace shoal::cli

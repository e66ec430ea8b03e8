// The flags of the group SAMPLING: how the next token is chosen, and when to
// end.

#ifndef SHOAL_CLI_FLAGS_SAMPLING_H_
#define SHOAL_CLI_FLAGS_SAMPLING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/command.h"
#include "coordinator/generation.h"

namespace shoal::cli {

struct SamplingFlags {
  coordinator::SamplingOptions sampling;
  uint32_t max_tokens = 128;
  std::vector<std::string> stop;
  bool ignore_eos = false;
};

void AddSamplingFlags(Command& verb, SamplingFlags& flags);

// All but the prompt.
coordinator::GenerateRequest RequestOf(const SamplingFlags& flags);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_FLAGS_SAMPLING_H_

// Shell scripts that complete verbs, flags and their choices.

#ifndef SHOAL_CLI_COMPLETION_H_
#define SHOAL_CLI_COMPLETION_H_

#include <string>

#include "cli/command.h"

namespace shoal::cli {

enum class Shell { kBash, kZsh, kFish };

std::string CompletionScript(const Command& root, Shell shell);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_COMPLETION_H_

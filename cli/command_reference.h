// All verbs and flags as a document.

#ifndef SHOAL_CLI_COMMAND_REFERENCE_H_
#define SHOAL_CLI_COMMAND_REFERENCE_H_

#include <string>

#include "cli/command.h"

namespace shoal::cli {

// docs/commands.md: Markdown, from what the verbs themselves say.
std::string CommandReference(const Command& root);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_COMMAND_REFERENCE_H_

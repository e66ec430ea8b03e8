// The flags --system and --raw: how a prompt becomes a conversation.

#ifndef SHOAL_CLI_TEMPLATE_FLAGS_H_
#define SHOAL_CLI_TEMPLATE_FLAGS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/command.h"
#include "coordinator/generation.h"

namespace shoal::cli {

void AddTemplateFlags(Command& verb, std::string& system, bool& raw);

// Errors: kInvalidArgument  a system message, and `no_template` is set
absl::Status CheckSystemFlag(const std::string& system, bool no_template);

// Whether the loaded model takes a conversation.
// Errors: kInvalidArgument  it has no template, and `system` is not empty
absl::StatusOr<bool> UsesConversation(bool has_template,
                                      const std::string& system);

// Empty but for the system message, if there is one.
coordinator::Conversation ConversationWith(const std::string& system);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_TEMPLATE_FLAGS_H_

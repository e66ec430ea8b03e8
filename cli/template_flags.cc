#include "cli/template_flags.h"

#include "absl/strings/str_cat.h"
#include "cli/flag_values.h"

namespace shoal::cli {

void AddTemplateFlags(Command& verb, std::string& system, bool& raw) {
  verb.AddFlag({.names = "--system",
                .value = "TEXT",
                .help = "A system message before the conversation"},
               SetText(&system));
  verb.AddSwitch({.names = "--raw",
                  .help = "Text as it is, without the model's chat template"},
                 &raw);
}

absl::Status CheckSystemFlag(const std::string& system, bool no_template) {
  if (system.empty() || !no_template) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--system needs the chat template, which --raw and --prompt-ids do "
      "without; leave one of them out");
}

absl::StatusOr<bool> UsesConversation(bool has_template,
                                      const std::string& system) {
  if (!has_template && !system.empty()) {
    return absl::InvalidArgumentError(
        "--system needs a chat template, and the model has none; put the text "
        "into the prompt");
  }
  return has_template;
}

coordinator::Conversation ConversationWith(const std::string& system) {
  coordinator::Conversation conversation;
  if (!system.empty()) conversation.messages.push_back({"system", system});
  return conversation;
}

}  // namespace shoal::cli

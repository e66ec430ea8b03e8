#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "cli/command_reference.h"
#include "cli/flag_values.h"
#include "cli/verbs.h"

namespace shoal::cli {

void AddHelpVerb(Command& root) {
  Command& help = root.AddVerb("help", "What a verb does and takes");
  auto path = std::make_shared<std::vector<std::string>>();
  help.AddFlag({.names = "VERB",
                .help = "The verb, such as run, or model inspect",
                .repeated = true},
               AppendText(path.get()));
  auto reference = std::make_shared<bool>(false);
  help.AddSwitch({.names = "--reference",
                  .help = "All verbs and flags as a document (Markdown)"},
                 reference.get());
  help.SetRunner([&root, path, reference]() -> absl::Status {
    if (*reference) {
      std::fputs(CommandReference(root).c_str(), stdout);
      return absl::OkStatus();
    }
    SHOAL_ASSIGN_OR_RETURN(const std::string text, HelpText(root, *path));
    std::fputs(text.c_str(), stdout);
    return absl::OkStatus();
  });
}

}  // namespace shoal::cli

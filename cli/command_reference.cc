#include "cli/command_reference.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace shoal::cli {
namespace {

constexpr char kHead[] =
    "# Commands\n\n"
    "Every verb and its flags, as the program tells them. Made by `shoal help\n"
    "--reference`; a test compares. `shoal help VERB` has the same in a "
    "terminal.\n";

constexpr char kPlainGroup[] = "Options";

std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}});
}

// "`-m`, `--model FILE`"
std::string NameCell(const FlagSpec& flag) {
  std::string cell =
      absl::StrCat("`", absl::StrReplaceAll(Cell(flag.names), {{",", "`, `"}}));
  if (!flag.value.empty()) absl::StrAppend(&cell, " ", Cell(flag.value));
  return absl::StrCat(cell, "`", flag.repeated ? " ..." : "");
}

void AppendFlags(const Command& verb, std::string& to) {
  // Groups in the order of their first flags.
  std::vector<std::pair<std::string, std::string>> groups;
  for (const FlagSpec& flag : verb.flags()) {
    const std::string group = flag.group.empty() ? kPlainGroup : flag.group;
    auto at = groups.begin();
    while (at != groups.end() && at->first != group) ++at;
    if (at == groups.end()) at = groups.insert(at, {group, ""});
    absl::StrAppend(&at->second, "| ", NameCell(flag), " | ", Cell(flag.help),
                    flag.required ? "; required" : "", " |\n");
  }
  for (const auto& [group, rows] : groups) {
    absl::StrAppend(&to, "\n| ", group, " | |\n|---|---|\n", rows);
  }
}

void AppendVerb(const Command& verb, const std::string& path, std::string& to) {
  const std::string name = absl::StrCat(path, " ", verb.name());
  absl::StrAppend(&to, "\n## ", name, "\n\n", verb.summary(), ".\n");
  AppendFlags(verb, to);
  if (!verb.details().empty()) {
    absl::StrAppend(&to, "\n```text\n", verb.details(), "\n```\n");
  }
  for (const auto& below : verb.verbs()) AppendVerb(*below, name, to);
}

}  // namespace

std::string CommandReference(const Command& root) {
  std::string text = kHead;
  for (const auto& verb : root.verbs()) AppendVerb(*verb, root.name(), text);
  return text;
}

}  // namespace shoal::cli

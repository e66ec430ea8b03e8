#include "cli/completion.h"

#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/flag_values.h"
#include "cli/verbs.h"

namespace shoal::cli {
namespace {

// The words that may follow a verb, and those that may follow a flag of it.
struct Place {
  std::string path;  // "run", "model inspect"; empty: the program itself
  const Command* command = nullptr;
};

void CollectPlaces(const Command& command, const std::string& path,
                   std::vector<Place>& places) {
  places.push_back({path, &command});
  for (const auto& verb : command.verbs()) {
    CollectPlaces(*verb,
                  absl::StrCat(path, path.empty() ? "" : " ", verb->name()),
                  places);
  }
}

std::vector<std::string> NamesOf(const FlagSpec& spec) {
  if (!absl::StartsWith(spec.names, "-")) return {};
  return absl::StrSplit(spec.names, ',');
}

std::vector<std::string> WordsOf(const Command& command) {
  std::vector<std::string> words;
  for (const auto& verb : command.verbs()) words.push_back(verb->name());
  for (const FlagSpec& spec : command.flags()) {
    for (std::string& name : NamesOf(spec)) words.push_back(std::move(name));
  }
  words.push_back("--help");
  return words;
}

// Two case statements: words after a verb, values after a flag.
std::string BashCases(const std::vector<Place>& places) {
  std::string values;
  std::string words;
  for (const Place& place : places) {
    for (const FlagSpec& spec : place.command->flags()) {
      if (spec.choices.empty() || NamesOf(spec).empty()) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : NamesOf(spec)) {
        patterns.push_back(absl::StrCat("\"", place.path, "|", name, "\""));
      }
      absl::StrAppend(&values, "    ", absl::StrJoin(patterns, "|"),
                      ") words=\"", absl::StrJoin(spec.choices, " "),
                      "\" ;;\n");
    }
    absl::StrAppend(&words, "      \"", place.path, "\") words=\"",
                    absl::StrJoin(WordsOf(*place.command), " "), "\" ;;\n");
  }
  return absl::StrCat("  case \"$path|$previous\" in\n", values,
                      "    *) case \"$path\" in\n", words,
                      "    esac ;;\n  esac\n");
}

// The verbs before the cursor make `path`.
std::string BashPath(const std::vector<Place>& places) {
  std::vector<std::string> patterns;
  for (const Place& place : places) {
    if (!place.path.empty()) {
      patterns.push_back(absl::StrCat("\"", place.path, "\""));
    }
  }
  return absl::StrCat("    case \"${path:+$path }$word\" in\n      ",
                      absl::StrJoin(patterns, "|"),
                      ") path=\"${path:+$path }$word\" ;;\n    esac\n");
}

std::string BashScript(const Command& root) {
  std::vector<Place> places;
  CollectPlaces(root, "", places);
  return absl::StrCat(
      "# bash completion of shoal; source this file, or put it into\n"
      "# /usr/share/bash-completion/completions/shoal\n"
      "_shoal() {\n"
      "  local word path=\"\" words=\"\" previous=\"\"\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
      "  [[ $COMP_CWORD -gt 0 ]] && previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n",
      BashPath(places), "  done\n", BashCases(places),
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}\n"
      "complete -o default -F _shoal shoal\n");
}

std::string ZshScript(const Command& root) {
  return absl::StrCat(
      "#compdef shoal\n"
      "# zsh completion of shoal; put it as _shoal into a folder of $fpath\n"
      "autoload -U +X bashcompinit && bashcompinit\n",
      BashScript(root));
}

std::string FishQuote(const std::string& text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// True for a command line whose verbs so far are those of `path`.
std::string FishCondition(const Place& place) {
  std::vector<std::string> parts;
  for (const absl::string_view name :
       absl::StrSplit(place.path, ' ', absl::SkipEmpty())) {
    parts.push_back(absl::StrCat("__fish_seen_subcommand_from ", name));
  }
  std::vector<std::string> verbs;
  for (const auto& verb : place.command->verbs()) verbs.push_back(verb->name());
  if (!verbs.empty()) {
    parts.push_back(absl::StrCat("not __fish_seen_subcommand_from ",
                                 absl::StrJoin(verbs, " ")));
  }
  return absl::StrJoin(parts, "; and ");
}

std::string FishScript(const Command& root) {
  std::vector<Place> places;
  CollectPlaces(root, "", places);
  std::string script =
      "# fish completion of shoal; put it into\n"
      "# ~/.config/fish/completions/shoal.fish\n";
  for (const Place& place : places) {
    const std::string start =
        absl::StrCat("complete -c shoal -n ", FishQuote(FishCondition(place)));
    for (const auto& verb : place.command->verbs()) {
      absl::StrAppend(&script, start, " -f -a ", verb->name(), " -d ",
                      FishQuote(verb->summary()), "\n");
    }
    for (const FlagSpec& spec : place.command->flags()) {
      if (NamesOf(spec).empty()) continue;
      absl::StrAppend(&script, start);
      for (const std::string& name : NamesOf(spec)) {
        const bool is_long = absl::StartsWith(name, "--");
        absl::StrAppend(&script, is_long ? " -l " : " -s ",
                        name.substr(is_long ? 2 : 1));
      }
      if (!spec.value.empty()) absl::StrAppend(&script, " -r");
      if (!spec.choices.empty()) {
        absl::StrAppend(&script, " -f -a ",
                        FishQuote(absl::StrJoin(spec.choices, " ")));
      }
      absl::StrAppend(&script, " -d ", FishQuote(spec.help), "\n");
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const Command& root, Shell shell) {
  switch (shell) {
    case Shell::kBash:
      return BashScript(root);
    case Shell::kZsh:
      return ZshScript(root);
    case Shell::kFish:
      return FishScript(root);
  }
  return "";
}

void AddCompletionVerb(Command& root) {
  static const Choices<Shell> kShells = {
      {"bash", Shell::kBash}, {"zsh", Shell::kZsh}, {"fish", Shell::kFish}};
  Command& verb =
      root.AddVerb("completion", "A script that completes flags in a shell");
  auto shell = std::make_shared<Shell>(Shell::kBash);
  verb.AddFlag({.names = "SHELL",
                .help = "bash, zsh or fish",
                .choices = Words(kShells),
                .required = true},
               SetChoice(kShells, shell.get()));
  verb.SetDetails("Example:\n  source <(shoal completion bash)");
  verb.SetRunner([&root, shell] {
    std::fputs(CompletionScript(root, *shell).c_str(), stdout);
    return absl::OkStatus();
  });
}

}  // namespace shoal::cli

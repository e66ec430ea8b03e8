// Parsing with CLI11; the one file that includes it.

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "cli/command.h"
#include "cli/later.h"

namespace shoal::cli {
namespace {

constexpr char kProgramName[] = "shoal";

bool IsArgument(const FlagSpec& spec) {
  return !absl::StartsWith(spec.names, "-");
}

// The usage line comes without the long list of flags, which stands below.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(34);
    label("REQUIRED", "(required)");
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    const CLI::App* parent = app->get_parent();
    if (parent != nullptr && name.empty()) name = app->get_name();
    for (; parent != nullptr; parent = parent->get_parent()) {
      name = absl::StrCat(parent->get_name(), " ", name);
    }
    std::string usage = absl::StrCat("Usage: ", name);
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_positional()) {
        absl::StrAppend(&usage, " ", option->get_name(true));
      }
    }
    if (!app->get_subcommands({}).empty()) absl::StrAppend(&usage, " VERB");
    return absl::StrCat(usage, " [FLAGS]\n");
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    return absl::StrCat(
        type.empty() ? "" : " " + type,
        option->get_positional() && option->get_allow_extra_args() ? " ..."
                                                                   : "");
  }

  // A footer is our own text with its own line breaks.
  std::string make_footer(const CLI::App* app) const override {
    const std::string footer = app->get_footer();
    return footer.empty() ? "" : absl::StrCat("\n", footer, "\n");
  }
};

}  // namespace

// Mirrors a tree of commands as a tree of CLI11 apps.
class Parser {
 public:
  explicit Parser(const Command& root)
      : root_(root), app_(root.summary(), kProgramName) {
    app_.formatter(std::make_shared<HelpFormatter>());
    Mirror(root, app_);
  }

  absl::StatusOr<Invocation> Parse(int argc, const char* const* argv);
  absl::StatusOr<std::string> Help(const std::vector<std::string>& path);

 private:
  struct Mirrored {
    const Command* command = nullptr;
    // One for each of the command's flags, in order.
    std::vector<CLI::Option*> options;
  };

  void Mirror(const Command& command, CLI::App& app);
  void MirrorFlag(const Command::Flag& flag, CLI::App& app,
                  std::vector<CLI::Option*>& options);
  CLI::App& Chosen();
  absl::Status Unexpected(const std::vector<std::string>& extras);
  absl::Status SetFlags(const Mirrored& mirrored);
  std::string See(const CLI::App& app) const;
  static std::string PathOf(const CLI::App& app);

  const Command& root_;
  CLI::App app_;
  std::map<const CLI::App*, Mirrored> mirrored_;
};

void Parser::Mirror(const Command& command, CLI::App& app) {
  // An unknown word is looked for in all flags and verbs to say which was
  // meant; the parser only collects it.
  app.allow_extras(false);
  // A second verb is an argument of the first: `help run`.
  app.require_subcommand(0, 1);
  app.set_help_flag("-h,--help", "Print this help");
  app.footer(command.details());
  Mirrored& mirrored = mirrored_[&app];
  mirrored.command = &command;
  for (const Command::Flag& flag : command.flags_) {
    MirrorFlag(flag, app, mirrored.options);
  }
  for (const auto& verb : command.verbs()) {
    CLI::App* sub = app.add_subcommand(verb->name(), verb->summary());
    sub->group("Verbs");
    Mirror(*verb, *sub);
  }
}

void Parser::MirrorFlag(const Command::Flag& flag, CLI::App& app,
                        std::vector<CLI::Option*>& options) {
  CLI::Option* option = nullptr;
  if (flag.to != nullptr) {
    option = app.add_flag(flag.spec.names, flag.spec.help);
  } else {
    option = app.add_option(flag.spec.names, flag.spec.help);
    option->type_name(IsArgument(flag.spec) ? "" : flag.spec.value);
    option->expected(1);
    if (flag.spec.repeated) {
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      option->allow_extra_args(IsArgument(flag.spec));
    }
  }
  if (!flag.spec.group.empty()) option->group(flag.spec.group);
  if (flag.spec.hidden) option->group("");
  options.push_back(option);
}

std::string Parser::PathOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* a = &app; a->get_parent() != nullptr;
       a = a->get_parent()) {
    names.insert(names.begin(), a->get_name());
  }
  return absl::StrJoin(names, " ");
}

std::string Parser::See(const CLI::App& app) const {
  const std::string path = PathOf(app);
  return absl::StrCat("; see: shoal help", path.empty() ? "" : " ", path);
}

// The deepest verb on the command line.
CLI::App& Parser::Chosen() {
  CLI::App* app = &app_;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

absl::Status Parser::Unexpected(const std::vector<std::string>& extras) {
  CLI::App& app = Chosen();
  const Command& command = *mirrored_[&app].command;
  const std::string path = PathOf(app);
  const std::string where = path.empty() ? "" : absl::StrCat(path, ": ");
  const std::string given =
      absl::StartsWith(extras[0], "--")
          ? std::string(*absl::StrSplit(extras[0], '=').begin())
          : extras[0];
  if (const std::string later = LaterFeature(path, given); !later.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, later));
  }
  std::vector<std::string> known;
  const bool is_flag = absl::StartsWith(given, "-") && given != "-";
  if (is_flag) {
    known.push_back("--help");
    for (const FlagSpec& spec : command.flags()) {
      for (const absl::string_view name : absl::StrSplit(spec.names, ',')) {
        known.emplace_back(name);
      }
    }
  } else {
    for (const auto& verb : command.verbs()) known.push_back(verb->name());
  }
  return absl::InvalidArgumentError(
      absl::StrCat(where,
                   is_flag         ? "unknown flag "
                   : known.empty() ? "unexpected argument "
                                   : "unknown verb ",
                   given, DidYouMean(given, known), See(app)));
}

absl::Status Parser::SetFlags(const Mirrored& mirrored) {
  const Command& command = *mirrored.command;
  for (size_t i = 0; i < mirrored.options.size(); ++i) {
    const Command::Flag& flag = command.flags_[i];
    const CLI::Option& option = *mirrored.options[i];
    const std::string name = flag.spec.Name();
    if (option.count() == 0) {
      if (flag.spec.required) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " is missing (", flag.spec.help, ")",
                         flag.spec.if_missing ? flag.spec.if_missing() : ""));
      }
      continue;
    }
    if (flag.to != nullptr) {
      *flag.to = true;
      continue;
    }
    if (!flag.spec.repeated && option.count() > 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " is given ", option.count(), " times; once is enough"));
    }
    for (const std::string& value : option.results()) {
      const absl::Status status = flag.set(value);
      if (!status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " ", value, ": ", status.message()));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Invocation> Parser::Parse(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Invocation{nullptr, Chosen().help()};
  } catch (const CLI::ExtrasError&) {
    return Unexpected(app_.remaining(true));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(PathOf(Chosen()), ": ", error.what(), See(Chosen())));
  }
  CLI::App& app = Chosen();
  const Mirrored& mirrored = mirrored_[&app];
  const Command& command = *mirrored.command;
  const auto usage = [&](const absl::Status& status) {
    const std::string path = PathOf(app);
    return absl::InvalidArgumentError(absl::StrCat(
        path, path.empty() ? "" : ": ", status.message(), See(app)));
  };
  if (const absl::Status status = SetFlags(mirrored); !status.ok()) {
    return usage(status);
  }
  if (!command.run_) {
    std::vector<std::string> verbs;
    for (const auto& verb : command.verbs()) verbs.push_back(verb->name());
    return usage(absl::InvalidArgumentError(
        absl::StrCat("a verb is missing: ", absl::StrJoin(verbs, ", "))));
  }
  if (command.check_) {
    if (const absl::Status status = command.check_(); !status.ok()) {
      return usage(status);
    }
  }
  return Invocation{command.run_, ""};
}

absl::StatusOr<std::string> Parser::Help(const std::vector<std::string>& path) {
  CLI::App* app = &app_;
  const Command* command = &root_;
  for (const std::string& name : path) {
    const Command* verb = command->FindVerb(name);
    if (verb == nullptr) {
      std::vector<std::string> known;
      for (const auto& v : command->verbs()) known.push_back(v->name());
      return absl::InvalidArgumentError(
          absl::StrCat("unknown verb ", name, DidYouMean(name, known),
                       "; verbs: ", absl::StrJoin(known, ", ")));
    }
    app = app->get_subcommand(name);
    command = verb;
  }
  return app->help();
}

absl::StatusOr<Invocation> ParseCommandLine(Command& root, int argc,
                                            const char* const* argv) {
  return Parser(root).Parse(argc, argv);
}

absl::StatusOr<std::string> HelpText(const Command& root,
                                     const std::vector<std::string>& path) {
  return Parser(root).Help(path);
}

}  // namespace shoal::cli

// Verbs, flags and help texts; a thin layer over CLI11, which no other file
// includes.

#ifndef SHOAL_CLI_COMMAND_H_
#define SHOAL_CLI_COMMAND_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::cli {

// What a flag or argument looks like.
struct FlagSpec {
  std::string names = {};  // "-m,--model"; an argument without flag: "FILE"
  std::string value =
      {};  // what stands for the value in the help; "" for a switch
  std::string help = {};
  std::string group = {};  // heading in the help; empty: "Options"
  std::vector<std::string> choices = {};  // for completion
  bool required = false;
  // What to say besides where it is required and missing, such as "; ...".
  std::function<std::string()> if_missing = {};
  bool repeated = false;  // may be given several times
  bool hidden = false;    // not in help and completion: for our own use

  // The longest of the names: "--model".
  std::string Name() const;
};

// A verb. The tree is built once, before parsing; its owner is the root.
class Command {
 public:
  // Takes the text that was given. A status here is wrong usage (exit code 2).
  using Setter = std::function<absl::Status(const std::string&)>;
  using Runner = std::function<absl::Status()>;

  Command(std::string name, std::string summary)
      : name_(std::move(name)), summary_(std::move(summary)) {}
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  Command& AddVerb(std::string name, std::string summary);
  void AddFlag(FlagSpec spec, Setter set);
  // A switch without a value.
  void AddSwitch(FlagSpec spec, bool* to);

  // Calls the setter of a flag, for values that come from elsewhere.
  // Errors: kInvalidArgument  the setter's, or no flag of this name
  absl::Status Set(absl::string_view name, const std::string& value) const;

  // More text below the flags: what the verb does, examples.
  void SetDetails(std::string details) { details_ = std::move(details); }
  // Looks at flags together, after all were set; a status is wrong usage.
  void SetCheck(Runner check) { check_ = std::move(check); }
  // REQUIRES: the verb has no verbs below it.
  void SetRunner(Runner run) { run_ = std::move(run); }

  const std::string& name() const { return name_; }
  const std::string& summary() const { return summary_; }
  const std::string& details() const { return details_; }
  const std::vector<std::unique_ptr<Command>>& verbs() const { return verbs_; }
  // Those that are not hidden.
  std::vector<FlagSpec> flags() const;
  const Command* FindVerb(absl::string_view name) const;

 private:
  friend class Parser;
  struct Flag {
    FlagSpec spec;
    Setter set;          // null for a switch
    bool* to = nullptr;  // of a switch
  };

  const std::string name_;
  const std::string summary_;
  std::string details_;
  std::vector<Flag> flags_;
  std::vector<std::unique_ptr<Command>> verbs_;
  Runner check_;
  Runner run_;
};

// What a command line asks for: to run a verb, or to print a text.
struct Invocation {
  Command::Runner run;  // null: print `text`
  std::string text;
};

// Errors: kInvalidArgument  wrong usage; says what, and what was perhaps meant
absl::StatusOr<Invocation> ParseCommandLine(Command& root, int argc,
                                            const char* const* argv);

// The help text of the verb at `path` ("model", "inspect"), or of the program.
// Errors: kInvalidArgument  there is no such verb
absl::StatusOr<std::string> HelpText(const Command& root,
                                     const std::vector<std::string>& path);

// ", did you mean X?" or nothing.
std::string DidYouMean(absl::string_view given,
                       const std::vector<std::string>& known);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_COMMAND_H_

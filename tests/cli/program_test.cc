// The program from outside: exit codes, messages, help, completion.

#include "tests/cli/program.h"

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/verbs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

std::string StoryModel() {
  return absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                      "/models/shoal-stories-3m-q8_0.gguf");
}

// All verbs that can be run, as words.
void CollectVerbs(const Command& command, std::vector<std::string> path,
                  std::vector<std::vector<std::string>>& verbs) {
  for (const auto& verb : command.verbs()) {
    path.push_back(verb->name());
    verbs.push_back(path);
    CollectVerbs(*verb, path, verbs);
    path.pop_back();
  }
}

std::vector<std::vector<std::string>> AllVerbs() {
  Command root("shoal", "");
  AddVerbs(root);
  std::vector<std::vector<std::string>> verbs;
  CollectVerbs(root, {}, verbs);
  return verbs;
}

TEST(ProgramTest, WrongUsageIsOneLineAndExitCode2) {
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"rnu"},
      {"tokenize", "--modle", "x"},
      {"tokenize"},
      {"serve"},
      {"store", "gc"},
      {"completion", "tcsh"},
      {"model", "inspect"}};
  for (const auto& words : cases) {
    const ProgramResult result = RunProgram(words);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, MatchesRegex("shoal: [^\n]*\n"));
  }
}

TEST(ProgramTest, AFaultIsOneLineAndExitCode1) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"tokenize", "-m", "/nonexistent.gguf"},
        {"model", "inspect", "/nonexistent.gguf"},
        {"model", "inspect", "/dev/null"},
        {"store", "verify", "--store", "/nonexistent", "--id", "none"}}) {
    const ProgramResult result = RunProgram(words);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, MatchesRegex("shoal: [^\n]*\n"));
  }
}

std::string ExampleFile(const std::string& name) {
  return absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"), "/cluster-configs/",
                      name, ".textproto");
}

TEST(ProgramTest, ConfigCheckAcceptsTheExamplesAndPointsAtMistakes) {
  for (const std::string name : {"local-4", "two-stage", "pi4-cluster",
                                 "phones-wifi", "mixed-laptops"}) {
    const ProgramResult result =
        RunProgram({"config", "check", ExampleFile(name)});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr(": OK: fleet " + name));
  }
  const testing::TemporaryFolder folder;
  const std::string path = folder.File("mistake.textproto");
  std::ofstream(path) << "devices {\n  name: \"a\" treads: 3\n}\n";
  const ProgramResult result = RunProgram({"config", "check", path});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr(path + ":2:13: treads: "));
  EXPECT_THAT(result.err, HasSubstr("did you mean threads?"));
}

TEST(ProgramTest, ConfigExplainTellsFlagLineAndDefault) {
  const std::string file = ExampleFile("two-stage");
  const auto explained = nlohmann::json::parse(
      RunProgram({"config", "explain", file, "--json", "--ctx", "64"}).out);
  std::map<std::string, std::pair<std::string, std::string>> fields;
  for (const auto& field : explained["fields"]) {
    fields[field["field"]] = {field["value"], field["source"]};
  }
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(fields["model.ctx"], Pair("64", "--ctx"));
  EXPECT_EQ(fields["name"], Pair("two-stage", file + ":10"));
  EXPECT_EQ(fields["devices[a0].local"], Pair("true", "default"));
  EXPECT_EQ(fields["devices[b1].share"], Pair("1", file + ":16"));
  EXPECT_EQ(fields["model.weights"], Pair("auto", "default"));
}

TEST(ProgramTest, AnExampleOfThisMachineRuns) {
  for (const std::string name : {"local-4", "two-stage"}) {
    const testing::TemporaryFolder cache;
    const ProgramResult result =
        RunProgram({"run", "--raw", "-p", "Once upon", "--max-tokens", "2"},
                   {.environment = {{"SHOAL_CLUSTER", ExampleFile(name)},
                                    {"XDG_CACHE_HOME", cache.path()}}});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_FALSE(result.out.empty());
    EXPECT_THAT(result.err, HasSubstr("(from SHOAL_CLUSTER)"));
  }
}

TEST(ProgramTest, VersionIsTheProjects) {
  const ProgramResult result = RunProgram({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, MatchesRegex("shoal [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(ProgramTest, EveryVerbHasHelpInBothWays) {
  const auto verbs = AllVerbs();
  EXPECT_GE(verbs.size(), 8u);
  for (const auto& verb : verbs) {
    std::vector<std::string> words = {"help"};
    words.insert(words.end(), verb.begin(), verb.end());
    const ProgramResult by_verb = RunProgram(words);
    EXPECT_EQ(by_verb.exit_code, 0);
    EXPECT_THAT(by_verb.out, HasSubstr("Usage: shoal"));
    EXPECT_THAT(by_verb.out, HasSubstr(verb.back()));
    EXPECT_THAT(by_verb.err, IsEmpty());
    std::vector<std::string> with_flag = verb;
    with_flag.push_back("--help");
    EXPECT_EQ(RunProgram(with_flag).out, by_verb.out);
  }
}

TEST(ProgramTest, TheReadmeNamesEveryVerb) {
  std::ifstream file(
      absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"), "/README.md"));
  const std::string readme{std::istreambuf_iterator<char>(file), {}};
  Command root("shoal", "");
  AddVerbs(root);
  for (const auto& verb : root.verbs()) {
    EXPECT_THAT(readme, HasSubstr("`shoal " + verb->name()));
    for (const auto& inner : verb->verbs()) {
      EXPECT_THAT(readme,
                  ::testing::ContainsRegex("`shoal " + verb->name() +
                                           " [a-z\\\\|]*" + inner->name()));
    }
  }
}

TEST(ProgramTest, TheReferenceOfCommandsIsWhatTheProgramSays) {
  std::ifstream file(
      absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"), "/docs/commands.md"));
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  const ProgramResult now = RunProgram({"help", "--reference"});
  EXPECT_EQ(now.exit_code, 0) << now.err;
  EXPECT_EQ(kept, now.out)
      << "make it anew: shoal help --reference > docs/commands.md";
}

TEST(ProgramTest, EveryFlagSaysWhatItDoes) {
  Command root("shoal", "");
  AddVerbs(root);
  for (const auto& path : AllVerbs()) {
    const Command* command = &root;
    for (const std::string& name : path) command = command->FindVerb(name);
    EXPECT_FALSE(command->summary().empty()) << path.back();
    for (const FlagSpec& flag : command->flags()) {
      EXPECT_FALSE(flag.help.empty()) << path.back() << " " << flag.names;
    }
  }
}

TEST(ProgramTest, TheCompletionOfBashParsesAndCompletes) {
  const std::string script = RunProgram({"completion", "bash"}).out;
  const std::string path =
      absl::StrCat(::testing::TempDir(), "/shoal_completion.bash");
  std::ofstream(path) << script;
  EXPECT_EQ(std::system(absl::StrCat("bash -n ", path).c_str()), 0);
  const auto complete = [&](const std::string& words, int word) {
    const std::string out = absl::StrCat(::testing::TempDir(), "/shoal_words");
    const std::string command = absl::StrCat(
        "bash -c 'source ", path, "; COMP_WORDS=(", words,
        "); COMP_CWORD=", word, "; _shoal; echo \"${COMPREPLY[*]}\"' > ", out);
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::string line;
    std::ifstream file(out);
    std::getline(file, line);
    return line;
  };
  EXPECT_EQ(complete("shoal tok", 1), "tokenize");
  EXPECT_EQ(complete("shoal model insp", 2), "inspect");
  EXPECT_EQ(complete("shoal tokenize --no-b", 2), "--no-bos");
}

TEST(ProgramTest, EveryShellHasACompletionThatNamesEveryVerb) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const ProgramResult result = RunProgram({"completion", shell});
    EXPECT_EQ(result.exit_code, 0);
    for (const auto& verb : AllVerbs()) {
      EXPECT_THAT(result.out, HasSubstr(verb.back())) << shell;
    }
  }
}

TEST(ProgramTest, TokenizePrintsIds) {
  const ProgramResult plain =
      RunProgram({"tokenize", "-m", StoryModel()}, {.input = "Once upon"});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(plain.out, "1 502 507\n");
  const ProgramResult json =
      RunProgram({"tokenize", "-m", StoryModel(), "--no-bos", "--json"},
                 {.input = "Once upon"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["token_ids"],
            nlohmann::json({502, 507}));
}

TEST(ProgramTest, InspectTellsShapeAndUnits) {
  const ProgramResult json =
      RunProgram({"model", "inspect", StoryModel(), "--json"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const auto facts = nlohmann::json::parse(json.out);
  EXPECT_EQ(facts["layers"], 4);
  EXPECT_EQ(facts["vocabulary"], 2048);
  EXPECT_EQ(facts["supported"], true);
  EXPECT_EQ(facts["units"]["attention"]["count"], 16);
  const ProgramResult text =
      RunProgram({"model", "inspect", "-m", StoryModel(), "--tensors"});
  EXPECT_THAT(text.out, HasSubstr("blk.3.ffn_down.weight"));
}

TEST(ProgramTest, AnEmptyStoreSaysSo) {
  const std::string folder = absl::StrCat(::testing::TempDir(), "/no_store");
  const ProgramResult text = RunProgram(
      {"store", "list"}, {.environment = {{"XDG_CACHE_HOME", folder}}});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_EQ(text.out, absl::StrCat(folder, "/shoal/store holds no models\n"));
  const ProgramResult json =
      RunProgram({"store", "list", "--store", folder, "--json"});
  EXPECT_THAT(nlohmann::json::parse(json.out)["models"], IsEmpty());
  EXPECT_EQ(RunProgram({"store", "gc", "--store", folder, "--all"}).exit_code,
            0);
}

}  // namespace
}  // namespace shoal::cli

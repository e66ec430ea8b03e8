#include "cli/command.h"

#include <memory>
#include <string>
#include <vector>

#include "cli/flag_values.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Values {
  std::string model;
  std::vector<std::string> stop;
  uint32_t count = 7;
  float temperature = 0;
  uint64_t memory = 0;
  absl::Duration timeout;
  std::vector<uint64_t> sizes;
  std::vector<double> shares;
  std::vector<int32_t> ids;
  int choice = 0;
  bool json = false;
};

const Choices<int> kChoices = {{"auto", 1}, {"star", 2}};

class CommandTest : public ::testing::Test {
 protected:
  CommandTest() : root_("shoal", "test") {
    Command& run = root_.AddVerb("run", "runs");
    run.AddFlag({.names = "-m,--model", .value = "FILE", .required = true},
                SetText(&values_.model));
    run.AddFlag({.names = "--stop", .value = "TEXT", .repeated = true},
                AppendText(&values_.stop));
    run.AddFlag({.names = "--count", .value = "N"},
                SetUint(&values_.count, 1, 100));
    run.AddFlag({.names = "--temperature", .value = "T"},
                SetFloat(&values_.temperature, 0, 10));
    run.AddFlag({.names = "--memory", .value = "SIZE"},
                SetBytes(&values_.memory));
    run.AddFlag({.names = "--timeout", .value = "T"},
                SetDuration(&values_.timeout));
    run.AddFlag({.names = "--sizes", .value = "SIZES"},
                SetBytesList(&values_.sizes));
    run.AddFlag({.names = "--shares", .value = "NUMBERS"},
                SetNumbers(&values_.shares));
    run.AddFlag({.names = "--ids", .value = "IDS"}, SetTokenIds(&values_.ids));
    run.AddFlag({.names = "--collective", .value = "WHICH"},
                SetChoice(kChoices, &values_.choice));
    run.AddSwitch({.names = "--json"}, &values_.json);
    run.SetCheck([this] {
      return values_.count == 13 ? absl::InvalidArgumentError("not 13")
                                 : absl::OkStatus();
    });
    run.SetRunner([] { return absl::OkStatus(); });
    Command& model = root_.AddVerb("model", "models");
    model.AddVerb("inspect", "inspects").SetRunner([] {
      return absl::OkStatus();
    });
  }

  absl::Status Parse(std::vector<std::string> words) {
    std::vector<const char*> argv = {"shoal"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    return ParseCommandLine(root_, static_cast<int>(argv.size()), argv.data())
        .status();
  }
  std::string Refusal(const std::vector<std::string>& words) {
    const absl::Status status = Parse(words);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  Values values_;
  Command root_;
};

TEST_F(CommandTest, SetsWhatIsGiven) {
  ASSERT_TRUE(
      Parse(
          {"run",          "-m",       "a.gguf",    "--stop",        "x",
           "--stop=y z",   "--count",  "5",         "--temperature", "0.5",
           "--memory",     "64MiB",    "--timeout", "30s",           "--sizes",
           "1KiB,2",       "--shares", "3,0,0.5",   "--ids",         "1,2",
           "--collective", "star",     "--json"})
          .ok());
  EXPECT_EQ(values_.model, "a.gguf");
  EXPECT_THAT(values_.stop, ElementsAre("x", "y z"));
  EXPECT_EQ(values_.count, 5u);
  EXPECT_EQ(values_.temperature, 0.5f);
  EXPECT_EQ(values_.memory, 64u << 20);
  EXPECT_EQ(values_.timeout, absl::Seconds(30));
  EXPECT_THAT(values_.sizes, ElementsAre(1024, 2));
  EXPECT_THAT(values_.shares, ElementsAre(3, 0, 0.5));
  EXPECT_THAT(values_.ids, ElementsAre(1, 2));
  EXPECT_EQ(values_.choice, 2);
  EXPECT_TRUE(values_.json);
}

TEST_F(CommandTest, TakesValuesThatLookLikeVerbsOrFlags) {
  ASSERT_TRUE(
      Parse({"run", "-m", "model", "--stop", "-", "--stop", "--json"}).ok());
  EXPECT_EQ(values_.model, "model");
  EXPECT_THAT(values_.stop, ElementsAre("-", "--json"));
  EXPECT_FALSE(values_.json);
}

TEST_F(CommandTest, SaysWhichWordWasPerhapsMeant) {
  EXPECT_THAT(Refusal({"rnu"}),
              HasSubstr("unknown verb rnu, did you mean run?"));
  EXPECT_THAT(Refusal({"run", "--modle", "x"}),
              HasSubstr("run: unknown flag --modle, did you mean --model?"));
  EXPECT_THAT(Refusal({"run", "--jsno=3"}),
              HasSubstr("--jsno, did you mean --json?"));
  EXPECT_THAT(Refusal({"model", "inspekt"}),
              HasSubstr("model: unknown verb inspekt, did you mean inspect?"));
  EXPECT_THAT(Refusal({"run", "-m", "x", "stray"}),
              HasSubstr("unexpected argument stray; see: shoal help run"));
}

TEST_F(CommandTest, SaysThatAFeatureIsStillToCome) {
  EXPECT_THAT(Refusal({"run", "--simulate=x"}),
              Not(HasSubstr("is not there yet")));
  EXPECT_THAT(Refusal({"model", "verify"}), HasSubstr("is not there yet"));
}

TEST_F(CommandTest, RefusesValuesWithWhatIsAllowed) {
  const std::vector<std::vector<std::string>> cases = {
      {"--count", "0", "--count 0: it must be a whole number from 1 to 100"},
      {"--count", "101", "from 1 to 100"},
      {"--count", "x", "from 1 to 100"},
      {"--temperature", "-1", "a number from 0 to 10"},
      {"--temperature", "nan", "a number from 0 to 10"},
      {"--memory", "12 parsecs", "--memory 12 parsecs: "},
      {"--timeout", "0s", "30s, 500ms or 2m"},
      {"--timeout", "5", "30s, 500ms or 2m"},
      {"--sizes", "1KiB,x", "--sizes 1KiB,x: "},
      {"--shares", "1,-1", "such as 3,1,1"},
      {"--shares", "1,,1", "such as 3,1,1"},
      {"--ids", "1,-5", "token ids with commas"},
      {"--collective", "ring", "it must be one of auto, star"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(Refusal({"run", "-m", "x", c[0], c[1]}), HasSubstr(c[2]));
  }
}

TEST_F(CommandTest, RefusesWhatIsMissingDoubleOrContradictory) {
  EXPECT_THAT(Refusal({}), HasSubstr("a verb is missing: run, model"));
  EXPECT_THAT(Refusal({"model"}), HasSubstr("a verb is missing: inspect"));
  EXPECT_THAT(Refusal({"run"}), HasSubstr("--model is missing"));
  EXPECT_THAT(Refusal({"run", "-m"}), HasSubstr("run: "));
  EXPECT_THAT(Refusal({"run", "-m", "x", "-m", "y"}), HasSubstr("--model"));
  EXPECT_THAT(Refusal({"run", "-m", "x", "--count", "13"}),
              HasSubstr("run: not 13"));
}

TEST_F(CommandTest, HelpIsOfTheVerbAsked) {
  const auto help = HelpText(root_, {"run"});
  ASSERT_TRUE(help.ok());
  EXPECT_THAT(*help, HasSubstr("Usage: shoal run"));
  EXPECT_THAT(*help, HasSubstr("--collective"));
  const auto none = HelpText(root_, {"model", "inspct"});
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(none.status().message()),
              HasSubstr("did you mean inspect?"));
}

TEST(DidYouMeanTest, KeepsQuietWhereNothingIsNear) {
  EXPECT_EQ(DidYouMean("frobnicate", {"run", "chat"}), "");
  EXPECT_EQ(DidYouMean("chta", {"run", "chat"}), ", did you mean chat?");
  EXPECT_EQ(DidYouMean(std::string(100000, 'x'), {"run"}), "");
}

}  // namespace
}  // namespace shoal::cli

// The program on models with chat templates, in parts, and of unknown kinds.

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf.h"
#include "nlohmann/json.hpp"
#include "tests/cli/program.h"
#include "tests/testing/model_files.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Ends every message as the story model ends a text.
constexpr char kTemplate[] =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}{{ m.content }}"
    "{% endfor %}";

class ModelProgramTest : public ::testing::Test {
 protected:
  std::string ModelWith(const model::GgufMetadata& metadata) {
    const std::string path =
        folder_.File(absl::StrCat("model-", ++count_, ".gguf"));
    const absl::Status copied =
        shoal::testing::CopyModelWith(whole_, metadata, path);
    EXPECT_TRUE(copied.ok()) << copied;
    return path;
  }

  static nlohmann::json Inspect(const std::string& path, int exit_code) {
    const ProgramResult result =
        RunProgram({"model", "inspect", path, "--json"});
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    return nlohmann::json::parse(result.out);
  }

  ProgramResult Run(const std::string& model,
                    const std::vector<std::string>& more) {
    std::vector<std::string> words = {"run",
                                      "-m",
                                      model,
                                      "--local",
                                      "2",
                                      "--max-tokens",
                                      "6",
                                      "--temperature",
                                      "0",
                                      "--store",
                                      folder_.File("store")};
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram(words);
  }

  const shoal::testing::TemporaryFolder folder_;
  const std::string whole_ = absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                                          "/models/shoal-stories-3m-q8_0.gguf");
  int count_ = 0;
};

TEST_F(ModelProgramTest, AnExternalFileWithItsStoresRunsAsTheWholeFileDoes) {
  const std::string whole = folder_.File("whole.gguf");
  const std::string small = folder_.File("small.gguf");
  const std::vector<std::string> synth = {"model", "synth", "--shape",
                                          "tiny-moe", "-o"};
  std::vector<std::string> words = synth;
  words.push_back(whole);
  ASSERT_EQ(RunProgram(words).exit_code, 0);
  words = synth;
  words.insert(words.end(),
               {small, "--stores", folder_.File("store"), "-n", "2"});
  const ProgramResult made = RunProgram(words);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const std::vector<std::string> more = {"-p", "Hello", "--json"};
  const auto tokens = [](const ProgramResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out);
  };
  const auto from_small = tokens(Run(small, more));
  const auto from_whole = tokens(Run(whole, more));
  EXPECT_EQ(from_small["token_ids"], from_whole["token_ids"]);
  EXPECT_EQ(from_small["token_ids"].size(), 6u);
  for (const auto& device : from_small["devices"]) {
    EXPECT_EQ(device["fetched_bytes"], 0);
  }

  const auto inspected = Inspect(small, 0);
  EXPECT_GT(inspected["external"]["tensors"], 0);
  EXPECT_GT(inspected["external"]["bytes"], 0);
  EXPECT_EQ(Inspect(whole, 0)["external"]["tensors"], 0);
  EXPECT_THAT(RunProgram({"model", "inspect", small}).out,
              HasSubstr("are not in the file"));

  const ProgramResult alone = RunProgram(
      {"run", "-m", small, "-p", "Hello", "--store", folder_.File("store")});
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_THAT(alone.err, HasSubstr("is not in this device's store"));
  const ProgramResult quantized = RunProgram(
      {"model", "quantize", small, folder_.File("q.gguf"), "--type", "q8_0"});
  EXPECT_EQ(quantized.exit_code, 1);
  EXPECT_THAT(quantized.err, HasSubstr("most of its tensors are external"));
}

TEST_F(ModelProgramTest, InspectRendersAGreetingOrSaysWhyNot) {
  auto facts = Inspect(whole_, 0);
  EXPECT_EQ(facts["chat_template"]["state"], "none");
  facts = Inspect(ModelWith({{"tokenizer.chat_template", kTemplate}}), 0);
  EXPECT_EQ(facts["chat_template"]["state"], "works");
  EXPECT_EQ(facts["chat_template"]["text"], "<s>Hello");
  facts = Inspect(
      ModelWith({{"tokenizer.chat_template", "\n{{ messages | nosuch }}"}}), 0);
  EXPECT_EQ(facts["chat_template"]["state"], "fails");
  EXPECT_EQ(facts["chat_template"]["text"],
            "chat template: line 2: the filter 'nosuch' is not supported");
}

TEST_F(ModelProgramTest, InspectTellsWhatOneToEightDevicesNeed) {
  const auto facts = Inspect(whole_, 0);
  const auto& devices = facts["devices"];
  ASSERT_EQ(devices.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(devices[i]["devices"], i + 1);
    EXPECT_LT(devices[i]["floor_stream_bytes"],
              devices[i]["floor_resident_bytes"]);
    if (i == 0) continue;
    EXPECT_LT(devices[i]["share_bytes"], devices[i - 1]["share_bytes"]);
  }
}

TEST_F(ModelProgramTest, InspectOfWhatCannotRunSaysWhyAndExitsWith1) {
  const std::string path = ModelWith({{"general.architecture", "nosuchfamily"},
                                      {"tokenizer.ggml.model", "nosuchkind"}});
  const auto facts = Inspect(path, 1);
  EXPECT_EQ(facts["supported"], false);
  ASSERT_EQ(facts["unsupported"].size(), 2u);
  EXPECT_THAT(facts["unsupported"][0], HasSubstr("nosuchfamily"));
  EXPECT_THAT(facts["unsupported"][1], HasSubstr("nosuchkind"));
  const ProgramResult text = RunProgram({"model", "inspect", path});
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_THAT(text.out, HasSubstr("not supported"));
  EXPECT_THAT(text.err, HasSubstr("nosuchfamily"));
}

TEST_F(ModelProgramTest, RunUsesTheTemplateUnlessRaw) {
  const std::string path = ModelWith(
      {{"tokenizer.chat_template",
        "{{ bos_token }}{% for m in messages %}{{ m.content | upper }}"
        "{% endfor %}"}});
  const auto rendered = Run(path, {"-p", "Once upon"});
  const auto raw = Run(path, {"-p", "Once upon", "--raw"});
  EXPECT_EQ(rendered.exit_code, 0) << rendered.err;
  EXPECT_EQ(Run(path, {"-p", "ONCE UPON", "--raw"}).out, rendered.out);
  EXPECT_EQ(Run(whole_, {"-p", "Once upon"}).out, raw.out);
  EXPECT_NE(raw.out, rendered.out);
  EXPECT_THAT(Run(whole_, {"-p", "Once"}).err, HasSubstr("no chat template"));
  EXPECT_THAT(Run(whole_, {"-p", "Once", "--raw"}).err,
              Not(HasSubstr("no chat template")));
}

TEST_F(ModelProgramTest, ASystemMessageNeedsATemplateThatTakesIt) {
  const std::string path = ModelWith({{"tokenizer.chat_template", kTemplate}});
  auto result = Run(path, {"-p", "x", "--system", "y"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("the template refuses: no system role"));
  result = Run(whole_, {"-p", "x", "--system", "y"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("--system needs a chat template"));
  EXPECT_EQ(Run(path, {"-p", "x", "--system", "y", "--raw"}).exit_code, 2);
}

TEST_F(ModelProgramTest, ChatAnswersLineByLineByTheTemplate) {
  const std::string path = ModelWith(
      {{"tokenizer.chat_template",
        "{{ bos_token }}{{ messages | length }}{% if messages | length > 2 %}"
        "{{ raise_exception('the second line comes with the first answer: ' ~ "
        "messages[1].role ~ ' ' ~ messages[2].content) }}{% endif %}"}});
  const ProgramResult result =
      RunProgram({"chat", "-m", path, "--local", "1", "--max-tokens", "2",
                  "--store", folder_.File("store")},
                 {.input = "One\nTwo\n"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("assistant Two"));
}

TEST_F(ModelProgramTest, AModelInPartsRunsAsTheWholeDoes) {
  const auto paths = shoal::testing::SplitModel(whole_, folder_.File("m"), 3);
  ASSERT_TRUE(paths.ok()) << paths.status();
  const auto parts = Run((*paths)[0], {"-p", "Once upon", "--raw"});
  EXPECT_EQ(parts.exit_code, 0) << parts.err;
  EXPECT_EQ(parts.out, Run(whole_, {"-p", "Once upon", "--raw"}).out);
  // Another store than that of the whole, but only one for all parts.
  EXPECT_EQ(Run((*paths)[2], {"-p", "Once upon", "--raw"}).out, parts.out);
  EXPECT_EQ(Inspect((*paths)[1], 0)["file_count"], 3);
}

}  // namespace
}  // namespace shoal::cli

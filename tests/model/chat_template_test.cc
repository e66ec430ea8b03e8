#include "model/chat_template.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/model_files.h"
#include "tests/testing/temporary_folder.h"

namespace shoal::model {
namespace {

using ::testing::HasSubstr;

std::string StoryModel() {
  return absl::StrCat(std::getenv("SHOAL_SOURCE_DIR"),
                      "/models/shoal-stories-3m-q8_0.gguf");
}

GgufHeader StoryModelWith(const std::string& chat_template) {
  const shoal::testing::TemporaryFolder folder;
  const std::string path = folder.File("model.gguf");
  EXPECT_TRUE(
      shoal::testing::CopyModelWith(
          StoryModel(), {{"tokenizer.chat_template", chat_template}}, path)
          .ok());
  return GgufHeader::ReadFile(path).value();
}

TEST(ChatTemplateTest, AFileWithoutATemplateGivesNone) {
  const auto none =
      ChatTemplate::FromHeader(GgufHeader::ReadFile(StoryModel()).value());
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->has_value());
}

TEST(ChatTemplateTest, RendersTheMessagesWithTheModelsOwnTokens) {
  const GgufHeader header = StoryModelWith(
      "{{ bos_token }}{% for m in messages %}\n{{ m.role }}: {{ m.content }}"
      "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}"
      "{{ tools is none }}>{% endif %}");
  const auto chat_template = ChatTemplate::FromHeader(header);
  ASSERT_TRUE(chat_template.ok()) << chat_template.status();
  const auto tokenizer = Tokenizer::Create(header);
  ChatInput input;
  input.messages = {{"system", "s"}, {"user", "u"}};
  SetSpecialTokens(**tokenizer, input);
  EXPECT_EQ((*chat_template)->Render(input).value(),
            "<s>system: s</s>user: u</s>True>");
  input.add_generation_prompt = false;
  EXPECT_EQ((*chat_template)->Render(input).value(),
            "<s>system: s</s>user: u</s>");
}

TEST(ChatTemplateTest, ATemplateThatCannotBeParsedIsAnErrorOfTheFile) {
  const auto broken = ChatTemplate::FromHeader(StoryModelWith("a\n{% if"));
  EXPECT_THAT(std::string(broken.status().message()),
              HasSubstr("chat template: line 2: "));
}

TEST(ChatTemplateTest, TheBeginOfSequenceTokenIsThereOnceWhoeverWritesIt) {
  const GgufHeader header = GgufHeader::ReadFile(StoryModel()).value();
  const auto tokenizer = Tokenizer::Create(header);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const int32_t bos = *(*tokenizer)->bos_id();
  const auto with = EncodeChat(**tokenizer, "<s>One day</s>");
  const auto without = EncodeChat(**tokenizer, "One day</s>");
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_EQ(std::count(with->begin(), with->end(), bos), 1);
  EXPECT_EQ(with->front(), bos);
  EXPECT_EQ(with->back(), *(*tokenizer)->eos_id());
  EXPECT_EQ(without->front(), bos);
  EXPECT_EQ(std::count(without->begin(), without->end(), bos), 1);
}

}  // namespace
}  // namespace shoal::model

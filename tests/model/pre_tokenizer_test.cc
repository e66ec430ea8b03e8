#include "model/pre_tokenizer.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Split(absl::string_view name, absl::string_view text) {
  const auto pre_tokenizer = PreTokenizer::Create(name);
  EXPECT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.status();
  std::vector<absl::string_view> pieces;
  EXPECT_TRUE(pre_tokenizer->Split(text, pieces).ok());
  return {pieces.begin(), pieces.end()};
}

std::string Join(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

TEST(PreTokenizerTest, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const absl::Status status = PreTokenizer::Create("martian").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("\"martian\""));
  EXPECT_THAT(message, HasSubstr("gpt-2, gpt-4o"));
  EXPECT_THAT(message, HasSubstr("llama-bpe"));
}

TEST(PreTokenizerTest, Gpt2KeepsASpaceWithTheWordAndSplitsContractions) {
  EXPECT_THAT(Split("gpt-2", "We've  12345 fish!!\n"),
              ElementsAre("We", "'ve", " ", " 12345", " fish", "!!", "\n"));
}

TEST(PreTokenizerTest, LlamaGroupsDigitsByThreeAndQwenTakesThemOneByOne) {
  EXPECT_THAT(Split("llama-bpe", "A12345\n\nB"),
              ElementsAre("A", "123", "45", "\n\n", "B"));
  EXPECT_THAT(Split("qwen2", "A123"), ElementsAre("A", "1", "2", "3"));
}

TEST(PreTokenizerTest, ALaterPatternSeesOnlyThePiecesOfTheEarlierOnes) {
  // Digits are cut off first, so that the space before them stays alone.
  EXPECT_THAT(Split("starcoder", "a 12 b"),
              ElementsAre("a", " ", "1", "2", " b"));
}

TEST(PreTokenizerTest, OnlyUnicodesWhiteSpaceIsSpace) {
  // U+3000 is white space; U+180E is not, though PCRE2's \s says so.
  EXPECT_THAT(Split("gpt-2", "a\u3000\u3000b"),
              ElementsAre("a", "\u3000", "\u3000", "b"));
  EXPECT_THAT(Split("gpt-2", "a\u180e!"), ElementsAre("a", "\u180e!"));
}

TEST(PreTokenizerTest, EveryKindCompilesAndLosesNothing) {
  const std::string text =
      "It's 3.14159 — naïve \t \r\n  \n 你好 ABCdef(x)+=<|y|> ١٢٣ \u00a0 "
      "👋🏽 ";
  const std::string names = PreTokenizerNames();
  for (size_t from = 0; from < names.size();) {
    const size_t end = std::min(names.find(", ", from), names.size());
    const std::string name = names.substr(from, end - from);
    EXPECT_EQ(Join(Split(name, text)), text) << name;
    EXPECT_TRUE(Split(name, "").empty()) << name;
    from = end + 2;
  }
}

// Long runs are where patterns go quadratic, or run out of their limits.
TEST(PreTokenizerTest, TakesLongRunsOfOneCharacter) {
  for (const absl::string_view name :
       {"gpt-2", "llama-bpe", "tekken", "deepseek-v3", "deepseek-llm"}) {
    for (const char c : {'a', ' ', '1', '\n', '!', 'A'}) {
      const std::string text = std::string(100'000, c) + "5";
      EXPECT_EQ(Join(Split(name, text)), text) << name << " " << c;
    }
  }
}

}  // namespace
}  // namespace shoal::model

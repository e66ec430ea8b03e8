#include "model/vocabulary.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/vocabulary_builder.h"

namespace shoal::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

testing::VocabularyBuilder ThreeTokens() {
  testing::VocabularyBuilder builder;
  builder.Add("a");
  builder.Add("b");
  builder.Add("ab");
  return builder;
}

absl::StatusOr<Vocabulary> Create(const GgufMetadata& metadata) {
  return Vocabulary::Create(testing::MakeHeader(metadata));
}

void ExpectRefused(const GgufMetadata& metadata,
                   const std::vector<std::string>& words) {
  const absl::Status status = Create(metadata).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(status.message(), HasSubstr("test.gguf"));
  for (const std::string& word : words) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(word));
  }
}

TEST(VocabularyTest, FindsEachTokenByItsText) {
  const auto vocabulary = Create(ThreeTokens().metadata("gpt2"));
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  ASSERT_EQ(vocabulary->size(), 3);
  for (int32_t id = 0; id < 3; ++id) {
    EXPECT_EQ(vocabulary->Find(vocabulary->Text(id)), id);
  }
  EXPECT_EQ(vocabulary->Find("abc"), Vocabulary::kNoToken);
  EXPECT_EQ(vocabulary->Find(""), Vocabulary::kNoToken);
}

TEST(VocabularyTest, OfEqualTextsTheLastIsFound) {
  testing::VocabularyBuilder builder = ThreeTokens();
  const int32_t second = builder.Add("ab");
  const auto vocabulary = Create(builder.metadata("gpt2"));
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->Find("ab"), second);
}

TEST(VocabularyTest, KeepsTextThatIsNotUtf8) {
  testing::VocabularyBuilder builder = ThreeTokens();
  const int32_t odd = builder.Add("\xff\xfe");
  const auto vocabulary = Create(builder.metadata("gpt2"));
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->Text(odd), "\xff\xfe");
  EXPECT_EQ(vocabulary->Find("\xff\xfe"), odd);
}

TEST(VocabularyTest, TokensAreNormalWhereTypesAreMissing) {
  GgufMetadata metadata = ThreeTokens().metadata("gpt2");
  metadata.erase("tokenizer.ggml.token_type");
  const auto vocabulary = Create(metadata);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->type(2), TokenType::kNormal);
}

TEST(VocabularyTest, RefusesMissingOrEmptyTokens) {
  GgufMetadata metadata = ThreeTokens().metadata("gpt2");
  metadata["tokenizer.ggml.tokens"] = GgufArray(std::vector<std::string>());
  ExpectRefused(metadata, {"tokenizer.ggml.tokens", "0 tokens"});
  metadata.erase("tokenizer.ggml.tokens");
  ExpectRefused(metadata, {"tokenizer.ggml.tokens", "missing"});
  metadata["tokenizer.ggml.tokens"] = uint64_t{7};
  ExpectRefused(metadata, {"tokenizer.ggml.tokens", "array of strings"});
}

TEST(VocabularyTest, RefusesArraysOfOtherLengths) {
  GgufMetadata metadata = ThreeTokens().metadata("gpt2");
  metadata["tokenizer.ggml.token_type"] = GgufArray(std::vector<int64_t>{1});
  ExpectRefused(metadata, {"token_type", "has 1 entries", "has 3"});
  metadata = ThreeTokens().metadata("gpt2");
  metadata["tokenizer.ggml.scores"] =
      GgufArray(std::vector<double>{0, 0, 0, 0});
  ExpectRefused(metadata, {"scores", "has 4 entries", "has 3"});
}

TEST(VocabularyTest, RefusesUnknownTypesAndScoresThatAreNoNumbers) {
  GgufMetadata metadata = ThreeTokens().metadata("gpt2");
  metadata["tokenizer.ggml.token_type"] =
      GgufArray(std::vector<int64_t>{1, 1, 7});
  ExpectRefused(metadata, {"token_type", "entry 2 is 7", "1 (normal)"});
  metadata["tokenizer.ggml.token_type"] =
      GgufArray(std::vector<int64_t>{1, 0, 1});
  ExpectRefused(metadata, {"token_type", "entry 1 is 0"});
  metadata["tokenizer.ggml.token_type"] = GgufArray(std::vector<double>(3, 1));
  ExpectRefused(metadata, {"token_type", "array of integers"});
  metadata = ThreeTokens().metadata("gpt2");
  metadata["tokenizer.ggml.scores"] =
      GgufArray(std::vector<double>{0, std::nan(""), 0});
  ExpectRefused(metadata, {"scores", "entry 1"});
}

TEST(VocabularyTest, RefusesSpecialIdsThatNameNoToken) {
  for (const absl::string_view name : {"bos", "eos", "unknown", "eot", "eom"}) {
    GgufMetadata metadata = ThreeTokens().metadata("gpt2");
    const std::string key = absl::StrCat("tokenizer.ggml.", name, "_token_id");
    metadata[key] = uint64_t{3};
    ExpectRefused(metadata, {key, "id 3", "0 to 2"});
    metadata[key] = uint64_t{2};
    EXPECT_TRUE(Create(metadata).ok());
  }
}

TEST(VocabularyTest, GenerationEndsAtNamedAndWellKnownTokens) {
  testing::VocabularyBuilder builder = ThreeTokens();
  const int32_t turn = builder.Add("<|im_end|>", TokenType::kUserDefined);
  GgufMetadata metadata = builder.metadata("gpt2");
  metadata["tokenizer.ggml.eos_token_id"] = uint64_t{0};
  metadata["tokenizer.ggml.eot_token_id"] = uint64_t{2};
  const auto vocabulary = Create(metadata);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_THAT(vocabulary->end_of_generation_ids(), ElementsAre(0, 2, turn));
  EXPECT_TRUE(vocabulary->IsEndOfGeneration(2));
  EXPECT_FALSE(vocabulary->IsEndOfGeneration(1));
  EXPECT_EQ(vocabulary->type(turn), TokenType::kControl);
}

// 128 000 tokens of 7 bytes on average, the size of a present-day vocabulary.
TEST(VocabularyTest, ALargeVocabularyTakesLittleMemory) {
  testing::VocabularyBuilder builder;
  for (int id = 0; id < 128000; ++id) builder.Add(absl::StrCat("t", id));
  const auto vocabulary = Create(builder.metadata("gpt2"));
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_LT(vocabulary->memory_bytes(), 3 << 20);
  for (int id = 0; id < 128000; ++id) {
    ASSERT_EQ(vocabulary->Find(absl::StrCat("t", id)), id);
  }
}

}  // namespace
}  // namespace shoal::model

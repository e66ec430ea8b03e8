#include "model/detokenizer.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/utf8.h"
#include "tests/model/vocabulary_builder.h"

namespace shoal::model {
namespace {

using ::testing::ElementsAre;

constexpr char kReplacement[] = "\ufffd";

std::unique_ptr<Tokenizer> Create(const GgufMetadata& metadata) {
  auto tokenizer = Tokenizer::Create(testing::MakeHeader(metadata));
  SHOAL_CHECK(tokenizer.ok(), tokenizer.status().ToString());
  return *std::move(tokenizer);
}

// Byte-level: the id of a byte is its value.
std::unique_ptr<Tokenizer> ByteTokenizer() {
  return Create(testing::BpeMetadata(testing::BpeBase(), {}));
}

// What each byte of `bytes`, fed alone, makes the stream say; Flush() last.
std::vector<std::string> FeedBytes(const Tokenizer& tokenizer,
                                   absl::string_view bytes) {
  StreamDetokenizer detokenizer(tokenizer, {});
  std::vector<std::string> said;
  for (const char c : bytes) {
    said.emplace_back();
    detokenizer.Feed(static_cast<uint8_t>(c), said.back());
  }
  said.emplace_back();
  detokenizer.Flush(said.back());
  return said;
}

TEST(StreamDetokenizerTest, ACharacterComesOutWithItsLastByte) {
  EXPECT_THAT(FeedBytes(*ByteTokenizer(), "aé好👋"),
              ElementsAre("a", "", "é", "", "", "好", "", "", "", "👋", ""));
}

TEST(StreamDetokenizerTest, InvalidBytesWaitUntilNothingCanCompleteThem) {
  const auto tokenizer = ByteTokenizer();
  EXPECT_THAT(FeedBytes(*tokenizer, "\xe4\xbd!"),
              ElementsAre("", "", absl::StrCat(kReplacement, "!"), ""));
  EXPECT_THAT(FeedBytes(*tokenizer, "\xff"), ElementsAre(kReplacement, ""));
  EXPECT_THAT(FeedBytes(*tokenizer, "\xf0\x9f"),
              ElementsAre("", "", kReplacement));
  // A second beginning ends the first.
  EXPECT_THAT(FeedBytes(*tokenizer, "\xe4\xe4\xbd\xa0"),
              ElementsAre("", kReplacement, "", "你", ""));
}

// Tokens of every length: all ways of cutting the text into pieces.
TEST(StreamDetokenizerTest, TheTextIsTheSameHoweverItIsCut) {
  const std::string text = "é好👋\xff\xe4\xbd";  // 12 bytes
  testing::VocabularyBuilder builder = testing::SpmBase();
  std::vector<std::vector<int32_t>> id_of_range(text.size());
  for (size_t from = 0; from < text.size(); ++from) {
    for (size_t bytes = 1; from + bytes <= text.size(); ++bytes) {
      id_of_range[from].push_back(builder.Add(text.substr(from, bytes)));
    }
  }
  GgufMetadata metadata = testing::SpmMetadata(builder);
  const auto tokenizer = Create(metadata);
  const std::string expected = ReplaceInvalidUtf8(text);
  const uint32_t cut_count = 1u << (text.size() - 1);
  for (uint32_t cuts = 0; cuts < cut_count; ++cuts) {
    StreamDetokenizer detokenizer(*tokenizer, {});
    std::string out;
    size_t from = 0;
    for (size_t end = 1; end <= text.size(); ++end) {
      if (end < text.size() && (cuts >> (end - 1) & 1) == 0) continue;
      detokenizer.Feed(id_of_range[from][end - from - 1], out);
      ASSERT_TRUE(IsValidUtf8(out)) << cuts;
      from = end;
    }
    detokenizer.Flush(out);
    ASSERT_EQ(out, expected) << cuts;
  }
}

TEST(StreamDetokenizerTest, TheFirstSpaceGoesOnlyAtTheStartOfAText) {
  testing::VocabularyBuilder builder = testing::SpmBase();
  const int32_t word = builder.Add("\u2581hi");
  const auto tokenizer = Create(testing::SpmMetadata(builder));
  const auto say = [&](const StreamDetokenizer::Options& options) {
    StreamDetokenizer detokenizer(*tokenizer, options);
    std::string out;
    for (const int32_t id : {1, word, word}) detokenizer.Feed(id, out);
    return out;
  };
  EXPECT_EQ(say({.at_text_start = true}), "hi hi");
  EXPECT_EQ(say({.at_text_start = false}), " hi hi");
  EXPECT_EQ(say({.special = SpecialText::kShow}), "<s> hi hi");
  // Byte-level vocabularies put no space there.
  EXPECT_EQ(FeedBytes(*ByteTokenizer(), " ").front(), " ");
}

TEST(StreamDetokenizerTest, ByteTokensMakeCharacters) {
  const auto tokenizer = Create(testing::SpmMetadata(testing::SpmBase()));
  StreamDetokenizer detokenizer(*tokenizer, {.at_text_start = false});
  std::string out;
  for (const char c : std::string("好")) {
    EXPECT_EQ(out, "");
    detokenizer.Feed(3 + static_cast<uint8_t>(c), out);
  }
  EXPECT_EQ(out, "好");
}

}  // namespace
}  // namespace shoal::model

#include "model/tokenizer.h"

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
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
using Ids = std::vector<int32_t>;

constexpr char kMark[] = "\u2581";
constexpr int32_t kByte0 = 3;  // the id of byte 0 in SpmBase()

std::unique_ptr<Tokenizer> Create(const GgufMetadata& metadata) {
  auto tokenizer = Tokenizer::Create(testing::MakeHeader(metadata));
  SHOAL_CHECK(tokenizer.ok(), tokenizer.status().ToString());
  return *std::move(tokenizer);
}

absl::Status Refusal(const GgufMetadata& metadata) {
  return Tokenizer::Create(testing::MakeHeader(metadata)).status();
}

Ids Encode(const Tokenizer& tokenizer, absl::string_view text,
           Tokenizer::EncodeOptions options = {.add_special = false}) {
  const auto ids = tokenizer.Encode(text, options);
  SHOAL_CHECK(ids.ok(), ids.status().ToString());
  return *ids;
}

TEST(TokenizerTest, RefusesOtherTokenizerModelsByName) {
  for (const std::string model : {"bert", "t5", "rwkv"}) {
    const absl::Status status = Refusal(testing::BpeBase().metadata(model));
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(status.message()), HasSubstr(model));
    EXPECT_THAT(std::string(status.message()), HasSubstr("llama"));
  }
}

TEST(TokenizerTest, RefusesAnUnknownPreTokenizerByName) {
  GgufMetadata metadata = testing::BpeMetadata(testing::BpeBase(), {});
  metadata["tokenizer.ggml.pre"] = std::string("martian");
  const absl::Status status = Refusal(metadata);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("test.gguf: tokenizer.ggml.pre: pre-tokenizer "
                        "\"martian\""));
}

TEST(TokenizerTest, RefusesToAddATokenThatTheFileDoesNotName) {
  for (const absl::string_view what : {"bos", "eos"}) {
    GgufMetadata metadata = testing::BpeMetadata(testing::BpeBase(), {});
    metadata[absl::StrCat("tokenizer.ggml.add_", what, "_token")] = true;
    const absl::Status status = Refusal(metadata);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat(what, "_token_id is missing")));
  }
}

TEST(TokenizerTest, RefusesTextAboveTheLimit) {
  const auto tokenizer = Create(testing::SpmMetadata(testing::SpmBase()));
  const std::string text(Tokenizer::kTextBytesMax + 1, 'a');
  EXPECT_EQ(tokenizer->Encode(text, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SpmTokenizerTest, RefusesMissingScoresAndUncoveredBytes) {
  GgufMetadata metadata = testing::SpmMetadata(testing::SpmBase());
  metadata.erase("tokenizer.ggml.scores");
  EXPECT_THAT(std::string(Refusal(metadata).message()),
              HasSubstr("tokenizer.ggml.scores: missing"));

  testing::VocabularyBuilder no_bytes;
  no_bytes.Add("a");
  metadata = no_bytes.metadata("llama");
  EXPECT_THAT(std::string(Refusal(metadata).message()), HasSubstr("<0x00>"));
  metadata["tokenizer.ggml.unknown_token_id"] = uint64_t{0};
  EXPECT_TRUE(Refusal(metadata).ok());
}

TEST(SpmTokenizerTest, TheHighestScoreMergesFirstAndTheLeftmostOfEquals) {
  testing::VocabularyBuilder builder = testing::SpmBase();
  for (const char* text : {"a", "b", "c"}) {
    builder.Add(text, TokenType::kNormal, -100);
  }
  const int32_t ab = builder.Add("ab", TokenType::kNormal, -2);
  const int32_t bc = builder.Add("bc", TokenType::kNormal, -1);
  const int32_t aa = builder.Add("aa", TokenType::kNormal, -3);
  GgufMetadata metadata = testing::SpmMetadata(builder);
  metadata["tokenizer.ggml.add_space_prefix"] = false;
  const auto tokenizer = Create(metadata);
  const int32_t a = tokenizer->vocabulary().Find("a");
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre(a, bc));
  EXPECT_THAT(Encode(*tokenizer, "aba"), ElementsAre(ab, a));
  EXPECT_THAT(Encode(*tokenizer, "aaa"), ElementsAre(aa, a));
}

TEST(SpmTokenizerTest, UnknownCharactersFallBackToTheirBytes) {
  const auto tokenizer = Create(testing::SpmMetadata(testing::SpmBase()));
  const Ids ids = Encode(*tokenizer, "é\xff");
  EXPECT_THAT(ids, ElementsAre(kByte0 + 0xe2, kByte0 + 0x96, kByte0 + 0x81,
                               kByte0 + 0xc3, kByte0 + 0xa9, kByte0 + 0xff));
}

TEST(SpmTokenizerTest, ASpaceGoesBeforeTheTextAndAfterSpecialTokens) {
  testing::VocabularyBuilder builder = testing::SpmBase();
  const int32_t space = builder.Add(kMark, TokenType::kNormal, -9);
  const int32_t a = builder.Add("a", TokenType::kNormal, -9);
  const int32_t space_a =
      builder.Add(absl::StrCat(kMark, "a"), TokenType::kNormal, -1);
  GgufMetadata metadata = testing::SpmMetadata(builder);
  const auto with_prefix = Create(metadata);
  const Tokenizer::EncodeOptions parse = {.parse_special = true};
  EXPECT_THAT(Encode(*with_prefix, "a</s>a", parse),
              ElementsAre(1, space_a, 2, space_a));
  EXPECT_THAT(Encode(*with_prefix, " a"), ElementsAre(space, space_a));
  EXPECT_TRUE(Encode(*with_prefix, "").empty());
  EXPECT_EQ(with_prefix->Decode(Ids{1, space_a, space_a}, SpecialText::kHide),
            "a a");

  metadata["tokenizer.ggml.add_space_prefix"] = false;
  const auto without = Create(metadata);
  EXPECT_THAT(Encode(*without, "a</s>a", parse), ElementsAre(1, a, 2, a));
  EXPECT_EQ(without->Decode(Ids{space_a}, SpecialText::kHide), " a");
}

TEST(SpmTokenizerTest, TextNeverBecomesAControlTokenUnlessParsed) {
  testing::VocabularyBuilder builder = testing::SpmBase();
  // "<s>" could be put together from these.
  for (const char* text : {"<", "s", ">", "<s"}) {
    builder.Add(text, TokenType::kNormal, -5);
  }
  GgufMetadata metadata = testing::SpmMetadata(builder);
  metadata["tokenizer.ggml.add_space_prefix"] = false;
  const auto tokenizer = Create(metadata);
  EXPECT_THAT(Encode(*tokenizer, "<s>"),
              ElementsAre(tokenizer->vocabulary().Find("<s"),
                          tokenizer->vocabulary().Find(">")));
  EXPECT_THAT(
      Encode(*tokenizer, "<s>", {.add_special = false, .parse_special = true}),
      ElementsAre(1));
}

TEST(SpmTokenizerTest, Phi3TokensSwallowTheSpaceBehindThem) {
  testing::VocabularyBuilder builder = testing::SpmBase();
  const int32_t user = builder.Add("<|user|>", TokenType::kControl);
  const int32_t a = builder.Add("a");
  GgufMetadata metadata = testing::SpmMetadata(builder);
  metadata["tokenizer.ggml.add_space_prefix"] = false;
  const Tokenizer::EncodeOptions parse = {.add_special = false,
                                          .parse_special = true};
  EXPECT_EQ(Encode(*Create(metadata), "<|user|>\n a", parse).size(), 6);
  metadata["general.architecture"] = std::string("phi3");
  EXPECT_THAT(Encode(*Create(metadata), "<|user|>\n a", parse),
              ElementsAre(user, a));
  EXPECT_EQ(Encode(*Create(metadata), "<s>\na", parse).size(), 3);
}

TEST(BpeTokenizerTest, TheLowestRankMergesFirstAndTheLeftmostOfEquals) {
  testing::VocabularyBuilder builder = testing::BpeBase();
  const int32_t bc = builder.Add("bc");
  const int32_t ab = builder.Add("ab");
  const int32_t aa = builder.Add("aa");
  const int32_t abc = builder.Add("abc");
  const auto tokenizer =
      Create(testing::BpeMetadata(builder, {"b c", "a b", "a a", "ab c"}));
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre('a', bc));
  EXPECT_THAT(Encode(*tokenizer, "aba"), ElementsAre(ab, 'a'));
  EXPECT_THAT(Encode(*tokenizer, "aaa"), ElementsAre(aa, 'a'));
  EXPECT_EQ(tokenizer->Decode(Ids{abc, ' ', aa}, SpecialText::kHide), "abc aa");
}

TEST(BpeTokenizerTest, SomeKindsTakeWholeWords) {
  testing::VocabularyBuilder builder = testing::BpeBase();
  builder.Add("ab");
  const int32_t abc = builder.Add("abc");
  GgufMetadata metadata = testing::BpeMetadata(builder, {"a b"});
  EXPECT_EQ(Encode(*Create(metadata), "abc").size(), 2);
  metadata["tokenizer.ggml.pre"] = std::string("llama-bpe");
  EXPECT_THAT(Encode(*Create(metadata), "abc"), ElementsAre(abc));
}

TEST(BpeTokenizerTest, RefusesMergesThatNameNoToken) {
  const struct {
    const char* merge;
    const char* message;
  } cases[] = {{"ab", "entry 1 \"ab\" must be two tokens"},
               {"a ", "must be two tokens"},
               {"a \xf0\x90\x8d\x88", "lacks"},
               {"a c", "\"a c\" names, or makes"}};
  testing::VocabularyBuilder builder = testing::BpeBase();
  builder.Add("ab");
  for (const auto& [merge, message] : cases) {
    const absl::Status status =
        Refusal(testing::BpeMetadata(builder, {"a b", merge}));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << merge;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  GgufMetadata metadata = testing::BpeMetadata(builder, {});
  metadata.erase("tokenizer.ggml.merges");
  EXPECT_THAT(std::string(Refusal(metadata).message()), HasSubstr("missing"));
}

TEST(BpeTokenizerTest, BytesWithoutATokenBecomeTheUnknownTokenOrNothing) {
  testing::VocabularyBuilder builder;
  builder.Add("a");
  const int32_t unknown = builder.Add("<unk>", TokenType::kUnknown);
  GgufMetadata metadata = testing::BpeMetadata(builder, {});
  EXPECT_THAT(Encode(*Create(metadata), "axa"), ElementsAre(0, 0));
  metadata["tokenizer.ggml.unknown_token_id"] = static_cast<uint64_t>(unknown);
  EXPECT_THAT(Encode(*Create(metadata), "axa"), ElementsAre(0, unknown, 0));
}

TEST(BpeTokenizerTest, InvalidUtf8BecomesReplacementCharacters) {
  const auto tokenizer = Create(testing::BpeMetadata(testing::BpeBase(), {}));
  EXPECT_THAT(Encode(*tokenizer, "a\xff"), ElementsAre('a', 0xef, 0xbf, 0xbd));
}

TEST(SpecialTokensTest, UserDefinedTokensCountAlwaysAndTheLongestWins) {
  testing::VocabularyBuilder builder = testing::BpeBase();
  const int32_t two = builder.Add("  ", TokenType::kUserDefined);
  const int32_t four = builder.Add("    ", TokenType::kUserDefined);
  const int32_t end = builder.Add("<|x|>", TokenType::kControl);
  const auto tokenizer = Create(testing::BpeMetadata(builder, {}));
  EXPECT_THAT(Encode(*tokenizer, "a       b"),  // 7 spaces
              ElementsAre('a', four, two, ' ', 'b'));
  EXPECT_EQ(Encode(*tokenizer, "<|x|>").size(), 5);
  EXPECT_THAT(Encode(*tokenizer, "a<|x|><|x",
                     {.add_special = false, .parse_special = true}),
              ElementsAre('a', end, '<', '|', 'x'));
}

TEST(TokenizerTest, SpecialTokensAreShownOrHidden) {
  testing::VocabularyBuilder builder = testing::BpeBase();
  const int32_t control = builder.Add("<|x|>", TokenType::kControl);
  const int32_t user = builder.Add("\u00a9 user", TokenType::kUserDefined);
  const int32_t unused = builder.Add("<unused>", TokenType::kUnused);
  const auto tokenizer = Create(testing::BpeMetadata(builder, {}));
  const Ids ids = {control, 'a', user, unused};
  EXPECT_EQ(tokenizer->Decode(ids, SpecialText::kHide), "a\u00a9 user");
  EXPECT_EQ(tokenizer->Decode(ids, SpecialText::kShow), "<|x|>a\u00a9 user");
}

TEST(TokenizerTest, AddsBosAndEosAsTheFileSays) {
  GgufMetadata metadata = testing::SpmMetadata(testing::SpmBase());
  metadata["tokenizer.ggml.add_space_prefix"] = false;
  const int32_t a = kByte0 + 'a';
  EXPECT_THAT(Encode(*Create(metadata), "a", {}), ElementsAre(1, a));
  metadata["tokenizer.ggml.add_bos_token"] = false;
  metadata["tokenizer.ggml.add_eos_token"] = true;
  EXPECT_THAT(Encode(*Create(metadata), "a", {}), ElementsAre(a, 2));
  EXPECT_THAT(Encode(*Create(metadata), "a", {.add_special = false}),
              ElementsAre(a));
}

TEST(TokenizerTest, TheDemonstrationModelGivesItsSampleTextBack) {
  const char* source = std::getenv("SHOAL_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run by ctest, which sets SHOAL_SOURCE_DIR";
  const std::string models = absl::StrCat(source, "/models/");
  const auto header =
      GgufHeader::ReadFile(models + "shoal-stories-3m-q8_0.gguf");
  ASSERT_TRUE(header.ok()) << header.status();
  const auto tokenizer = Tokenizer::Create(*header);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::ifstream file(models + "sample-text.txt", std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  ASSERT_GT(text.str().size(), 10'000);
  const Ids ids = Encode(**tokenizer, text.str());
  EXPECT_LT(ids.size(), text.str().size() / 2);
  EXPECT_EQ((*tokenizer)->Decode(ids, SpecialText::kHide), text.str());
  EXPECT_EQ((*tokenizer)->bos_id(), 1);
  EXPECT_TRUE((*tokenizer)->IsEndOfGeneration(2));
}

}  // namespace
}  // namespace shoal::model

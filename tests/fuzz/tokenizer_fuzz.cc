// Fuzz target: text of a stranger through every kind of tokenizer.
//
// The first byte chooses tokenizer and options, the rest is the text.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/check.h"
#include "model/detokenizer.h"
#include "model/pre_tokenizer_table.h"
#include "model/tokenizer.h"
#include "tests/model/vocabulary_builder.h"

namespace {

namespace testing = shoal::model::testing;
using shoal::model::GgufMetadata;
using shoal::model::SpecialText;
using shoal::model::Tokenizer;
using shoal::model::TokenType;

std::unique_ptr<Tokenizer> Create(const GgufMetadata& metadata) {
  auto tokenizer = Tokenizer::Create(testing::MakeHeader(metadata));
  SHOAL_CHECK(tokenizer.ok(), tokenizer.status().ToString());
  return *std::move(tokenizer);
}

std::unique_ptr<Tokenizer> Spm() {
  testing::VocabularyBuilder builder = testing::SpmBase();
  double score = 0;
  for (const char* text :
       {"\xe2\x96\x81", "a", "b", "t", "h", "e", "th", "the", "\xe2\x96\x81the",
        "ab", "\xc3\xa4", "\xe6\xb0\xb4"}) {
    builder.Add(text, TokenType::kNormal, score -= 1);
  }
  builder.Add("<|sep|>", TokenType::kControl);
  builder.Add("[tag]", TokenType::kUserDefined);
  return Create(testing::SpmMetadata(builder));
}

std::unique_ptr<Tokenizer> Bpe(absl::string_view pre) {
  testing::VocabularyBuilder builder = testing::BpeBase();
  for (const char* text : {"th", "the", "\xc4\xa0the", "12"}) {
    builder.Add(text);
  }
  builder.Add("<|end|>", TokenType::kControl);
  GgufMetadata metadata =
      testing::BpeMetadata(builder, {"t h", "th e", "\xc4\xa0 the", "1 2"});
  metadata["tokenizer.ggml.pre"] = std::string(pre);
  return Create(metadata);
}

const std::vector<std::unique_ptr<Tokenizer>>& Tokenizers() {
  static const auto* const all = [] {
    auto* made = new std::vector<std::unique_ptr<Tokenizer>>;
    made->push_back(Spm());
    const std::string names = shoal::model::PreTokenizerNames();
    for (const absl::string_view name : absl::StrSplit(names, ", ")) {
      made->push_back(Bpe(name));
    }
    return made;
  }();
  return *all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto& tokenizers = Tokenizers();
  const Tokenizer& tokenizer = *tokenizers[data[0] / 2 % tokenizers.size()];
  Tokenizer::EncodeOptions options;
  options.add_special = false;
  options.parse_special = data[0] % 2 == 1;
  const absl::string_view text(reinterpret_cast<const char*>(data + 1),
                               size - 1);
  const auto ids = tokenizer.Encode(text, options);
  if (!ids.ok()) {
    SHOAL_CHECK(absl::IsResourceExhausted(ids.status()),
                ids.status().ToString());
    return 0;
  }
  for (const int32_t id : *ids) {
    SHOAL_CHECK(id >= 0 && id < tokenizer.vocab_size(), id);
  }
  const std::string decoded = tokenizer.Decode(*ids, SpecialText::kShow);
  // A SentencePiece-style text gets a space behind each token that is known
  // beforehand, once more each time.
  if (options.parse_special || &tokenizer == tokenizers[0].get()) return 0;
  // Every vocabulary has a token for every byte, so nothing is lost; broken
  // text may become U+FFFD, and what is decoded is then its own image.
  const auto again = tokenizer.Encode(decoded, options);
  SHOAL_CHECK(again.ok(), again.status().ToString());
  SHOAL_CHECK(tokenizer.Decode(*again, SpecialText::kShow) == decoded, decoded);
  return 0;
}

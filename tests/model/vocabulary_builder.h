// Headers with vocabularies of all sorts, for tests.

#ifndef SHOAL_TESTS_MODEL_VOCABULARY_BUILDER_H_
#define SHOAL_TESTS_MODEL_VOCABULARY_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "model/byte_alphabet.h"
#include "model/gguf.h"
#include "model/gguf_encode.h"
#include "model/vocabulary.h"
#include "tests/model/gguf_builder.h"

namespace shoal::model::testing {

// A header that holds `metadata` and no tensors.
inline GgufHeader MakeHeader(const GgufMetadata& metadata) {
  FileSpec spec;
  for (const auto& [key, value] : metadata) {
    std::string encoded;
    AppendGgufValue(value, GgufNumbers::kAtLeast32Bits, encoded);
    spec.metadata.emplace_back(key, Bytes().Raw(encoded));
  }
  const std::string file = spec.Build();
  absl::StatusOr<GgufHeader> header =
      GgufHeader::Parse(AsBytes(file), file.size(), "test.gguf");
  SHOAL_CHECK(header.ok(), header.status().ToString());
  return *std::move(header);
}

// Collects tokens; metadata() is what a file would hold.
class VocabularyBuilder {
 public:
  int32_t Add(absl::string_view text, TokenType type = TokenType::kNormal,
              double score = 0) {
    texts_.emplace_back(text);
    types_.push_back(static_cast<int64_t>(type));
    scores_.push_back(score);
    return static_cast<int32_t>(texts_.size()) - 1;
  }

  GgufMetadata metadata(absl::string_view model) const {
    GgufMetadata metadata;
    metadata["general.architecture"] = std::string("llama");
    metadata["tokenizer.ggml.model"] = std::string(model);
    metadata["tokenizer.ggml.tokens"] = GgufArray(texts_);
    metadata["tokenizer.ggml.token_type"] = GgufArray(types_);
    metadata["tokenizer.ggml.scores"] = GgufArray(scores_);
    return metadata;
  }

 private:
  std::vector<std::string> texts_;
  std::vector<int64_t> types_;
  std::vector<double> scores_;
};

// <unk> 0, <s> 1, </s> 2, and the 256 byte tokens from 3 on.
inline VocabularyBuilder SpmBase() {
  VocabularyBuilder builder;
  builder.Add("<unk>", TokenType::kUnknown);
  builder.Add("<s>", TokenType::kControl);
  builder.Add("</s>", TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    builder.Add(absl::StrFormat("<0x%02X>", byte), TokenType::kByte);
  }
  return builder;
}

inline GgufMetadata SpmMetadata(const VocabularyBuilder& builder) {
  GgufMetadata metadata = builder.metadata("llama");
  metadata["tokenizer.ggml.bos_token_id"] = uint64_t{1};
  metadata["tokenizer.ggml.eos_token_id"] = uint64_t{2};
  metadata["tokenizer.ggml.unknown_token_id"] = uint64_t{0};
  return metadata;
}

// The 256 bytes, as ids 0 to 255.
inline VocabularyBuilder BpeBase() {
  VocabularyBuilder builder;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    std::string text;
    AppendInByteAlphabet(absl::string_view(&c, 1), text);
    builder.Add(text);
  }
  return builder;
}

inline GgufMetadata BpeMetadata(const VocabularyBuilder& builder,
                                const std::vector<std::string>& merges) {
  GgufMetadata metadata = builder.metadata("gpt2");
  metadata["tokenizer.ggml.pre"] = std::string("gpt-2");
  metadata["tokenizer.ggml.merges"] = GgufArray(merges);
  return metadata;
}

}  // namespace shoal::model::testing

#endif  // SHOAL_TESTS_MODEL_VOCABULARY_BUILDER_H_

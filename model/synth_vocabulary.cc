#include "model/synth_vocabulary.h"

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "model/synth_random.h"

namespace shoal::model {
namespace {

// The format's ids of token types.
constexpr int64_t kNormal = 1;
constexpr int64_t kUnknown = 2;
constexpr int64_t kControl = 3;
constexpr int64_t kByte = 6;

constexpr absl::string_view kBoundary = "\u2581";  // begins a word
constexpr absl::string_view kConsonants = "tnsrhldmcfgpwbvk";
constexpr absl::string_view kVowels = "eaoiu";
constexpr size_t kPieceBytesMax = 16;

class Builder {
 public:
  explicit Builder(uint32_t size) : size_(size) {
    tokens_.reserve(size);
    types_.reserve(size);
  }

  GgufMetadata Build() && {
    AddFixed();
    AddSyllables();
    AddWords();
    std::vector<double> scores(size_);
    for (size_t i = 0; i < scores.size(); ++i) {
      scores[i] = types_[i] == kNormal ? -static_cast<double>(i) : 0.0;
    }
    return {
        {"tokenizer.ggml.model", std::string("llama")},
        {"tokenizer.ggml.tokens", GgufArray(std::move(tokens_))},
        {"tokenizer.ggml.scores", GgufArray(std::move(scores))},
        {"tokenizer.ggml.token_type", GgufArray(std::move(types_))},
        {"tokenizer.ggml.unknown_token_id", uint64_t{0}},
        {"tokenizer.ggml.bos_token_id", uint64_t{1}},
        {"tokenizer.ggml.eos_token_id", uint64_t{2}},
        {"tokenizer.ggml.add_bos_token", true},
        {"tokenizer.ggml.add_eos_token", false},
        {"tokenizer.ggml.add_space_prefix", true},
    };
  }

 private:
  bool full() const { return tokens_.size() == size_; }

  // Returns false if there is such a token already, or no room.
  bool Add(std::string text, int64_t type) {
    if (full() || !known_.insert(text).second) return false;
    tokens_.push_back(std::move(text));
    types_.push_back(type);
    return true;
  }

  void AddFixed() {
    Add("<unk>", kUnknown);
    Add("<s>", kControl);
    Add("</s>", kControl);
    for (int byte = 0; byte < 256; ++byte)
      Add(absl::StrFormat("<0x%02X>", byte), kByte);
    Add(std::string(kBoundary), kNormal);
    Add("\n", kNormal);
    for (char c = '!'; c <= '~'; ++c) Add(std::string(1, c), kNormal);
    SHOAL_CHECK(tokens_.size() == kSynthVocabularyMin);
  }

  void AddSyllables() {
    for (const char consonant : kConsonants) {
      for (const char vowel : kVowels) AddPiece(std::string{consonant, vowel});
    }
    const size_t syllable_count = pieces_.size();
    for (size_t i = 0; i < syllable_count; ++i)
      AddPiece(absl::StrCat(kBoundary, pieces_[i]));
  }

  // Any piece, then one that begins no word.
  void AddWords() {
    for (uint64_t draw = 0; !full(); ++draw) {
      const uint64_t random = SynthRandom(kSeed, draw);
      // Divisions of 32 bits: most draws are turned down.
      const auto count = static_cast<uint32_t>(pieces_.size());
      const uint32_t first = static_cast<uint32_t>(random >> 32) % count;
      const uint32_t second = static_cast<uint32_t>(random) % count;
      if (forms_[first].bytes + forms_[second].bytes > kPieceBytesMax) continue;
      if (forms_[second].begins_word) continue;
      AddPiece(pieces_[first] + pieces_[second]);
    }
  }

  void AddPiece(const std::string& piece) {
    if (!Add(piece, kNormal)) return;
    pieces_.push_back(piece);
    forms_.push_back({.bytes = static_cast<uint8_t>(piece.size()),
                      .begins_word = absl::StartsWith(piece, kBoundary)});
  }

  // What most draws are turned down for; few bytes, so that they are in the
  // cache where the pieces are not.
  struct Form {
    uint8_t bytes;
    bool begins_word;
  };

  static constexpr uint64_t kSeed = 7;

  const uint32_t size_;
  std::vector<std::string> tokens_;
  std::vector<int64_t> types_;
  std::unordered_set<std::string> known_;
  std::vector<std::string> pieces_;
  std::vector<Form> forms_;  // of pieces_
};

}  // namespace

GgufMetadata SynthVocabulary(uint32_t size) {
  SHOAL_CHECK(size >= kSynthVocabularyMin, size);
  return Builder(size).Build();
}

}  // namespace shoal::model

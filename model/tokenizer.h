// Text to token ids and back, as the model's file defines it.

#ifndef SHOAL_MODEL_TOKENIZER_H_
#define SHOAL_MODEL_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/gguf.h"
#include "model/special_tokens.h"
#include "model/vocabulary.h"

namespace shoal::model {

// Whether control tokens ("<s>", "<|im_end|>") are part of the text.
enum class SpecialText { kHide, kShow };

// Two kinds: "llama" (SentencePiece-style, spm_tokenizer.h) and "gpt2"
// (byte-level BPE, bpe_tokenizer.h).
//
// Threads: immutable; thread-safe.
class Tokenizer {
 public:
  static constexpr uint64_t kTextBytesMax = uint64_t{1} << 26;

  struct EncodeOptions {
    // Puts the beginning-of-sequence token before and the end-of-sequence
    // token after the text where the file asks for them.
    bool add_special = true;
    // Control tokens written in the text become ids. Leave it off for text
    // that a stranger wrote.
    bool parse_special = false;
  };

  // Copies what it needs: `header` may go away.
  // Errors: kInvalidArgument  the vocabulary is malformed (Vocabulary::Create)
  //                           or a merge names no token
  //         kUnimplemented    another tokenizer.ggml.model or
  //                           tokenizer.ggml.pre; the message lists the known
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(
      const GgufHeader& header);

  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // `text` should be UTF-8. Of broken text, byte-level BPE sees U+FFFD, while
  // a SentencePiece-style vocabulary keeps the bytes.
  // Errors: kInvalidArgument    more than kTextBytesMax bytes
  //         kResourceExhausted  the limits of the pattern engine
  absl::StatusOr<std::vector<int32_t>> Encode(
      absl::string_view text, const EncodeOptions& options) const;

  // Appends the bytes that `id` stands for; a part of a character at times, so
  // use StreamDetokenizer for text to show. Leading spaces are kept.
  // REQUIRES: 0 <= id < vocab_size().
  void AppendPiece(int32_t id, SpecialText special, std::string& out) const;

  // The bytes of all `ids`, less the space that encoding put in front.
  // REQUIRES: every id is in range.
  std::string Decode(std::span<const int32_t> ids, SpecialText special) const;

  int32_t vocab_size() const { return vocabulary_.size(); }
  std::optional<int32_t> bos_id() const { return vocabulary_.bos_id(); }
  std::optional<int32_t> eos_id() const { return vocabulary_.eos_id(); }
  bool adds_bos() const { return flags_.adds_bos; }
  bool adds_eos() const { return flags_.adds_eos; }

  // True if encoding puts a space before the text: the first piece of a text
  // then begins with one that nobody wrote.
  bool adds_space_prefix() const { return flags_.adds_space_prefix; }

  // REQUIRES: 0 <= id < vocab_size().
  bool IsEndOfGeneration(int32_t id) const {
    return vocabulary_.IsEndOfGeneration(id);
  }

  const Vocabulary& vocabulary() const { return vocabulary_; }

  // What this object holds, to within a few KiB.
  virtual uint64_t memory_bytes() const;

 protected:
  struct Flags {
    bool adds_bos = false;
    bool adds_eos = false;
    bool adds_space_prefix = false;
  };

  // REQUIRES: the vocabulary has the ids that `flags` want added.
  Tokenizer(Vocabulary vocabulary, const Flags& flags);

  // tokenizer.ggml.add_bos_token and add_eos_token; where they are missing,
  // `defaults` (but no id that is not there).
  // Errors: kInvalidArgument  ill-typed, or asks for an id that is missing
  static absl::StatusOr<Flags> ReadFlags(const GgufHeader& header,
                                         const Vocabulary& vocabulary,
                                         const Flags& defaults);

  // Lets the special token `id` swallow the white space behind it.
  void AddSpaceEater(int32_t id);

  // Appends the ids of `text`, which holds no special token and is not empty.
  // `at_start` is true if the text begins here or a special token stands
  // before it.
  virtual absl::Status EncodeText(absl::string_view text, bool at_start,
                                  std::vector<int32_t>& ids) const = 0;

  // Appends the bytes of a normal token.
  virtual void AppendText(int32_t id, std::string& out) const = 0;

 private:
  const Vocabulary vocabulary_;
  const SpecialTokens special_tokens_;  // borrows vocabulary_
  const Flags flags_;
  std::vector<int32_t> space_eater_ids_;  // ascending
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_TOKENIZER_H_

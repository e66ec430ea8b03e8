// The tokens of a model: texts, types and scores, read from GGUF metadata.

#ifndef SHOAL_MODEL_VOCABULARY_H_
#define SHOAL_MODEL_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/gguf.h"

namespace shoal::model {

// The numbers are those of tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,      // stands for what cannot be written
  kControl = 3,      // never made from text unless special tokens are parsed
  kUserDefined = 4,  // taken out of any text before the rest is split
  kUnused = 5,
  kByte = 6,  // "<0x0A>": one byte
};

// Limits:  kTokenCountMax tokens, kTextBytesMax bytes of text in all.
// Memory:  one string pool, and per token 4 bytes of offset, 1 of type, 4 of
//          score (if the file has scores) and 8 of hash index at most.
// Threads: immutable; thread-safe.
class Vocabulary {
 public:
  static constexpr uint64_t kTokenCountMax = uint64_t{1} << 24;
  static constexpr uint64_t kTextBytesMax = uint64_t{1} << 30;
  static constexpr int32_t kNoToken = -1;

  // Copies what it needs: `header` may go away. Where the token_type array is
  // missing, all tokens are normal ones. Well-known tokens that end a turn or
  // mark a hole in a text are control tokens even if the file says normal or
  // user-defined, as files often do.
  // Errors: kInvalidArgument  a missing or ill-typed key, arrays of different
  //                           lengths, an unknown type, a score that is no
  //                           number, a special id that names no token; the
  //                           message has the file, key, index and value
  static absl::StatusOr<Vocabulary> Create(const GgufHeader& header);

  int32_t size() const { return static_cast<int32_t>(types_.size()); }

  // REQUIRES: 0 <= id < size().
  // As the file has it: bytes, not always UTF-8.
  absl::string_view Text(int32_t id) const;
  TokenType type(int32_t id) const { return types_[id]; }
  float score(int32_t id) const { return scores_.empty() ? 0.0f : scores_[id]; }

  bool has_scores() const { return !scores_.empty(); }

  // The token with exactly this text (of several, the last), or kNoToken.
  int32_t Find(absl::string_view text) const;

  std::optional<int32_t> bos_id() const { return bos_id_; }
  std::optional<int32_t> eos_id() const { return eos_id_; }
  std::optional<int32_t> unknown_id() const { return unknown_id_; }

  // True if generation ends with this token: end of sequence, of turn or of
  // message, by the file's keys or by a well-known name.
  // REQUIRES: 0 <= id < size().
  bool IsEndOfGeneration(int32_t id) const;
  const std::vector<int32_t>& end_of_generation_ids() const {
    return end_of_generation_ids_;
  }

  uint64_t memory_bytes() const;

 private:
  Vocabulary() = default;

  absl::Status ReadTexts(const GgufHeader& header);
  absl::Status ReadTypes(const GgufHeader& header);
  absl::Status ReadScores(const GgufHeader& header);
  absl::Status ReadSpecialIds(const GgufHeader& header);
  void BuildIndex();
  // Finds a token that is a control token whatever the file calls it.
  int32_t FindAsControl(absl::string_view text);
  void AddEndOfGeneration(int32_t id);

  std::string pool_;
  std::vector<uint32_t> offsets_;  // size() + 1 of them
  std::vector<TokenType> types_;
  std::vector<float> scores_;    // empty if the file has none
  std::vector<uint32_t> index_;  // open addressing: id + 1, or 0; 2^n slots
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::optional<int32_t> unknown_id_;
  std::vector<int32_t> end_of_generation_ids_;  // ascending
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_VOCABULARY_H_
